"""Who may speak to the review server, checked before anything else is: ASGI middleware.

- Host: only names of this server, so that a foreign name that was rebound to this address gets nothing.
- Token: random, in the address that the command prints; exchanged on first use for a cookie that scripts cannot read
  and other sites cannot send. It says who is reading, too.
- Origin: every write must come from a page of this very server.
- Headers: nothing is cached, framed, sniffed, or loaded from elsewhere; no script but our files.
"""

from __future__ import annotations

import secrets
import socket
from collections.abc import Iterable
from hmac import compare_digest
from http.cookies import CookieError, SimpleCookie
from ipaddress import ip_address
from urllib.parse import parse_qs, urlsplit

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


class Access:
    """Tokens and cookies of the reviewers, and the names that the server answers to."""

    def __init__(self, reviewers: Iterable[str], hosts: Iterable[str], *, any_address: bool, tls: bool) -> None:
        self.tokens = {name: secrets.token_urlsafe(32) for name in reviewers}
        self._cookies = {name: secrets.token_urlsafe(32) for name in self.tokens}
        self._hosts = {host.lower() for host in hosts}
        self._any_address = any_address
        self._scheme = "https" if tls else "http"
        self._cookie_name = f"embedkit-review-{secrets.token_hex(4)}"  # cookies do not tell ports apart

    def refuse(self, scope: Scope, headers: Headers) -> PlainTextResponse | None:
        """The answer to a request that may not pass; None where it may. Writes the reviewer into the scope's state."""
        if len(headers.getlist("host")) != 1 or not self._is_own(headers["host"]):
            return PlainTextResponse("This server does not answer to that name.", 421)
        if scope["method"] not in {"GET", "POST"}:
            return PlainTextResponse("Only GET and POST.", 405)
        if scope["method"] == "POST":
            if headers.get("origin") != f"{self._scheme}://{headers['host']}":
                return PlainTextResponse("Decisions are taken from the page of this server only.", 403)
            length = headers.get("content-length", "")
            if headers.get("content-type") != "application/json" or not length.isdigit() or int(length) > _LONGEST_BODY:
                return PlainTextResponse("A short JSON document is expected.", 413)
        reviewer = self._by_cookie(headers) or self._by_token(scope)
        if not reviewer:
            return PlainTextResponse("Open the address that `embedkit review` printed.", 401)
        scope.setdefault("state", {})["reviewer"] = reviewer
        return None

    def cookie_for(self, scope: Scope) -> str:
        """The cookie to set in the answer to a request that came with a token; "" for others."""
        name = self._by_token(scope)
        secure = "; Secure" if self._scheme == "https" else ""
        return f"{self._cookie_name}={self._cookies[name]}; Path=/; HttpOnly; SameSite=Strict{secure}" if name else ""

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
        return _owner(jar[self._cookie_name].value, self._cookies) if self._cookie_name in jar else ""

    def _by_token(self, scope: Scope) -> str:
        if scope["path"] != "/":
            return ""
        [given] = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[:1]
        return _owner(given, self.tokens)


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
        cookie = "" if refusal else access.cookie_for(scope)
        await (refusal or app)(scope, receive, send_with_headers)

    return guarded


def own_names(host: str) -> set[str]:
    """The names of a server that listens at `host`."""
    return {"127.0.0.1", "localhost", "::1"} if is_loopback(host) else {host, socket.gethostname(), socket.getfqdn()}


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
