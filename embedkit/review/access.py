"""Who may speak to the review server, checked before anything else is: ASGI middleware.

- Host: only names of this server, so that a foreign name that was rebound to this address gets nothing.
- Path: each reviewer has one of their own, with the name and something random in it. So every request says for whom it
  is, two reviewers in one browser have a cookie each, and a server at another port of this machine gets no cookie:
  browsers do not tell ports apart (RFC 6265 section 8.5), but are asked for no such path there.
- Token: random, in the address that the command prints; exchanged on first use for a cookie that scripts cannot read
  and other sites cannot send. It must be that of the reviewer whom the path names.
- Origin: every write must come from a page of this very server.
- Body: short, whatever its headers say of its length; a GET has none. `connections` ends what does not come in time.
- Headers: nothing is cached, framed, sniffed, or loaded from elsewhere; no script but our files.
"""

from __future__ import annotations

import secrets
import socket
from collections.abc import Iterable
from hmac import compare_digest
from http.cookies import CookieError, SimpleCookie
from ipaddress import ip_address
from urllib.parse import parse_qs, quote, unquote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; "
    "img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_LONGEST_BODY = 16_384
_COOKIE = "embedkit-review"


class Access:
    """Paths, tokens and cookies of the reviewers, and the names that the server answers to.

    Attributes
    ----------
    places
        By reviewer the path and query of the address that lets them in.
    """

    def __init__(self, reviewers: Iterable[str], hosts: Iterable[str], *, any_address: bool, tls: bool) -> None:
        self._tokens = {name: secrets.token_urlsafe(32) for name in reviewers}
        self._cookies = {name: secrets.token_urlsafe(32) for name in self._tokens}
        self._paths = {f"{quote(name, safe='')}-{secrets.token_urlsafe(16)}": name for name in self._tokens}
        self.places = {name: f"/{path}/?token={self._tokens[name]}" for path, name in self._paths.items()}
        self._hosts = {host.lower() for host in hosts}
        self._any_address = any_address
        self._scheme = "https" if tls else "http"

    def refuse(self, scope: Scope, headers: Headers) -> PlainTextResponse | None:
        """The answer to a request that may not pass; None where it may.

        Writes the reviewer into the scope's state, and takes the reviewer's path off that of the request.
        """
        if len(headers.getlist("host")) != 1 or not self._is_own(headers["host"]):
            return PlainTextResponse("This server does not answer to that name.", 421)
        if scope["method"] not in {"GET", "POST"}:
            return PlainTextResponse("Only GET and POST.", 405)
        if scope["method"] == "POST" and headers.get("origin") != f"{self._scheme}://{headers['host']}":
            return PlainTextResponse("Decisions are taken from the page of this server only.", 403)
        if not _has_good_length(scope["method"], headers):
            return PlainTextResponse("A short JSON document is expected.", 413, {"Connection": "close"})
        return self._identify(scope, headers)

    def cookie_for(self, scope: Scope) -> str:
        """The cookie to set in the answer to a request that `refuse` let in by a token; "" for others."""
        name = self._by_token(scope)
        if not name:
            return ""
        path = self.places[name].partition("?")[0]
        secure = "; Secure" if self._scheme == "https" else ""
        return f"{_COOKIE}={self._cookies[name]}; Path={path}; HttpOnly; SameSite=Strict{secure}"

    def _identify(self, scope: Scope, headers: Headers) -> PlainTextResponse | None:
        path, slash, rest = scope["raw_path"].decode("latin-1").removeprefix("/").partition("/")
        named = self._paths.get(path) if slash else None
        scope["path"] = f"/{unquote(rest)}"
        reviewer = self._by_token(scope) or self._by_cookie(headers)
        if not named or not reviewer:
            return PlainTextResponse("Open the address that `embedkit review` printed.", 401)
        if reviewer != named:
            return PlainTextResponse("This address is another reviewer's: open your own.", 403)
        scope.setdefault("state", {})["reviewer"] = reviewer
        return None

    def _is_own(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        return name in self._hosts or (self._any_address and _is_address(name))

    def _by_cookie(self, headers: Headers) -> str:
        jar = SimpleCookie()
        try:
            jar.load(headers.get("cookie", ""))
        except CookieError:
            return ""
        return _owner(jar[_COOKIE].value, self._cookies) if _COOKIE in jar else ""

    def _by_token(self, scope: Scope) -> str:
        if scope["path"] != "/":
            return ""
        [given] = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[:1]
        return _owner(given, self._tokens)


def guard(app: ASGIApp, access: Access) -> ASGIApp:
    """The app behind the checks of `access`, with the security headers on every answer."""

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        cookie = ""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                if cookie:
                    headers["Set-Cookie"] = cookie
            await send(message)

        refusal = access.refuse(scope, Headers(scope=scope))
        if refusal is None and scope["method"] == "POST":
            body = await _read_body(receive)
            if body is None:
                refusal = PlainTextResponse("A short JSON document is expected.", 413, {"Connection": "close"})
            else:
                receive = _replay(body, receive)
        cookie = "" if refusal else access.cookie_for(scope)
        await (refusal or app)(scope, receive, send_with_headers)

    return guarded


def _has_good_length(method: str, headers: Headers) -> bool:
    """Whether the length that a request announces is one that is taken; chunks announce none."""
    length = headers.get("content-length", "0" if method == "GET" else "")
    if "transfer-encoding" in headers or not (length.isascii() and length.isdigit() and len(length) < 10):
        return False
    if method == "GET":
        return int(length) == 0
    return headers.get("content-type") == "application/json" and int(length) <= _LONGEST_BODY


async def _read_body(receive: Receive) -> bytes | None:
    """The body of a request; None where it is too long or cut off."""
    body = b""
    while True:
        message = await receive()
        body += bytes(message.get("body", b""))
        if message["type"] != "http.request" or len(body) > _LONGEST_BODY:
            return None
        if not message.get("more_body", False):
            return body


def _replay(body: bytes, receive: Receive) -> Receive:
    """What an app receives whose body was read before."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return messages.pop() if messages else await receive()

    return replay


def own_names(host: str) -> set[str]:
    """The names of a server that listens at `host`."""
    same = {host, str(ip_address(host))} if _is_address(host) else {host}
    return same | ({"127.0.0.1", "localhost", "::1"} if is_loopback(host) else {socket.gethostname(), socket.getfqdn()})


def is_loopback(host: str) -> bool:
    """Whether nobody but this machine can reach a server there."""
    return host == "localhost" or (_is_address(host) and ip_address(host).is_loopback)


def is_wildcard(host: str) -> bool:
    """Whether a server there listens at all addresses of the machine."""
    return _is_address(host) and ip_address(host).is_unspecified


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _owner(secret: str, secrets_of: dict[str, str]) -> str:
    """Whose secret it is; every one is compared, and in constant time."""
    return "".join(name for name, own in secrets_of.items() if compare_digest(secret.encode(), own.encode()))
