"""The local web server of the review: the page, its files, and what it asks for and sends."""

from __future__ import annotations

import getpass
import json
import re
import socket
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.convertors import IntegerConvertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from embedkit.dicom.codecs.choice import Codecs
from embedkit.errors import EmbedkitError, UsageError
from embedkit.indexes import Index
from embedkit.indexes.checked_files import Tell, say_nothing
from embedkit.labels.attribute import Attribute
from embedkit.review.access import Access, guard, is_loopback, is_wildcard, own_names
from embedkit.review.connections import TimedConnection, allow_many_files
from embedkit.review.decision import is_name
from embedkit.review.decisions import Decisions
from embedkit.review.originals import Originals
from embedkit.review.ranking import Reranker, rank_suspects
from embedkit.review.session import Press, Session
from embedkit.review.suspects import read_suspects
from embedkit.sources import Source

_TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


@dataclass(frozen=True)
class ReviewSettings:
    """What `embedkit review` serves, and to whom."""

    index: Path
    reviewers: tuple[str, ...] = ()
    """Each gets an address of his own; by default the user of this computer."""
    issues: Path | None = None
    """Suspects as `find-label-issues --out` wrote them, read in that order; None ranks, and again as decisions come."""
    regions: tuple[str, ...] = ()
    """Names to relabel to, beside those of the index."""
    space: str | None = None
    root: Path | None = None
    host: str = "127.0.0.1"
    port: int = 0
    """0 for one that is free."""
    tls_cert: Path | None = None
    tls_key: Path | None = None
    codecs: Codecs | None = None
    """What reads the original files; by default what the environment says."""
    attribute: Attribute | None = None
    """What is judged; the region where none is given."""
    sources: tuple[Source, ...] = ()
    """Where originals are found that are no files."""


def serve_review(
    settings: ReviewSettings, announce: Callable[[dict[str, str]], None], tell: Tell = say_nothing
) -> None:
    """Serve the review until Ctrl-C; `announce` gets the address of each reviewer once the server listens.

    `tell` is told when a ranking that was kept was made.

    Raises
    ------
    UsageError
        ``network-without-tls``, ``tls-files``, ``address-in-use``, ``bad-reviewer``; else as `rank_suspects`,
        `read_suspects` and `Originals` do.
    IndexFolderError
        As `Index.open` and `Decisions.open` do.
    """
    import uvicorn  # noqa: PLC0415 (only where there is a server)

    _check(settings)
    index = Index.open(settings.index, attribute=settings.attribute, sources=settings.sources)
    with ExitStack() as stack:
        decisions = stack.enter_context(Decisions.open(settings.index, index.attribute))
        if settings.issues is None:
            suspects = rank_suspects(settings.index, settings.space, settings.attribute, tell)
        else:
            suspects = read_suspects(settings.issues, index)
        names = settings.attribute.values if settings.attribute else settings.regions
        session = Session(index, decisions, suspects, names)
        if settings.issues is None:
            ranking = Reranker(settings.index, settings.space, session.use_ranking, settings.attribute)
            session.after_decision = ranking.count_decision
            stack.callback(ranking.close)
        originals = stack.enter_context(Originals(index, settings.root, codecs=settings.codecs))
        listening = stack.enter_context(_listen(settings))
        tls = settings.tls_cert is not None
        access = Access(
            settings.reviewers or (_name_user(),),
            own_names(settings.host),
            any_address=is_wildcard(settings.host),
            tls=tls,
        )
        site = f"{'https' if tls else 'http'}://{_shown(settings.host)}:{listening.getsockname()[1]}"
        allow_many_files()
        config = uvicorn.Config(
            guard(make_app(session, originals), access),
            log_config=None,  # an access log would hold tokens and UIDs
            access_log=False,
            log_level="critical",  # a traceback may hold what a reviewer wrote
            http=TimedConnection,
            server_header=False,
            ws="none",
            lifespan="off",
            timeout_graceful_shutdown=1,
            ssl_certfile=settings.tls_cert,
            ssl_keyfile=settings.tls_key,
        )
        server = uvicorn.Server(config)
        start = server.startup

        async def start_and_announce(sockets: list[socket.socket] | None = None) -> None:
            await start(sockets)
            announce({name: site + place for name, place in access.places.items()})

        server.startup = start_and_announce  # type: ignore[method-assign] # not before Ctrl-C is uvicorn's to handle
        server.run(sockets=[listening])


def _name_user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError) as error:  # a user id without a name, as in containers
        raise UsageError("bad-reviewer", "this computer does not say who you are: name the --reviewer") from error


def make_app(session: Session, originals: Originals) -> Starlette:
    """The routes. Everything that waits for a disk or a decoder runs in threads."""

    def queue(request: Request) -> Response:
        return JSONResponse(
            session.queue(request.state.reviewer, request.query_params.get("second", ""))
            | {"reviewer": request.state.reviewer, "regions": session.regions}
        )

    def details(request: Request) -> Response:
        return JSONResponse(session.details(request.path_params["row"]))

    def picture(request: Request) -> Response:
        return Response(session.picture(request.path_params["row"]), media_type="image/png")

    def radiograph(request: Request) -> Response:
        session.check_row(row := request.path_params["row"])
        found, notice = originals.read(row)
        rows, columns = found.levels.shape
        facts = {"rows": rows, "columns": columns, "low": found.low, "high": found.high, "aspect": found.aspect}
        curve = b"" if found.curve is None else found.curve.tobytes()
        body = found.levels.astype("<u2", copy=False).tobytes() + curve
        headers = {"X-Radiograph": json.dumps(facts | {"notice": notice})}
        return Response(body, media_type="application/octet-stream", headers=headers)

    def agreement(request: Request) -> Response:
        return JSONResponse(session.agreement(request.query_params.get("with", ""), request.state.reviewer))

    def state(request: Request) -> Response:
        since = request.query_params.get("since", "0")
        return JSONResponse(session.state(request.state.reviewer, _number(since)))

    async def decide(request: Request) -> Response:
        sent = _fields(await request.body(), row=int, verdict=str, region=str, note=str, press=str, since=int)
        since = sent.pop("since")
        reviewer = request.state.reviewer
        made = await run_in_threadpool(session.decide, reviewer, Press(**sent))
        changed = await run_in_threadpool(session.state, reviewer, since)
        return JSONResponse(changed | {"made": made.number})

    async def undo(request: Request) -> Response:
        sent = _fields(await request.body(), number=int, press=str)
        row = await run_in_threadpool(session.undo, request.state.reviewer, sent["number"], sent["press"])
        return JSONResponse({"row": row})

    pages = [Route(path, _file(name)) for path, name in _page_files().items()]
    return Starlette(
        routes=[
            *pages,
            Route("/api/queue", queue),
            Route("/api/state", state),
            Route("/api/agreement", agreement),
            Route("/api/details/{row:row}", details),
            Route("/picture/{row:row}", picture),
            Route("/radiograph/{row:row}", radiograph),
            Route("/api/decide", decide, methods=["POST"]),
            Route("/api/undo", undo, methods=["POST"]),
        ],
        exception_handlers={EmbedkitError: _refuse, Exception: _confess},
    )


class _RowConvertor(IntegerConvertor):
    """A row of the index in a path; the usual one takes numbers that Python will not read."""

    regex = "[0-9]{1,9}"


register_url_convertor("row", _RowConvertor())


def _refuse(_: Request, error: Exception) -> Response:
    """Tell the page what went wrong, in the words of the error."""
    return JSONResponse({"error": str(error)}, 400 if isinstance(error, UsageError) else 500)


def _confess(_: Request, error: Exception) -> Response:
    """Tell the page of a fault of ours, without what it was about."""
    return JSONResponse({"error": f"a fault of embedkit ({type(error).__name__}); please report it"}, 500)


def _number(text: str) -> int:
    if not re.fullmatch("[0-9]{1,15}", text):
        raise UsageError("bad-request", "a number is expected")
    return int(text)


def _fields(body: bytes, **kinds: type) -> dict[str, Any]:
    """The fields of a JSON object, each of its type, and no others."""
    try:
        sent = json.loads(body)
    except (ValueError, RecursionError):
        sent = None
    if not isinstance(sent, dict) or sent.keys() != kinds.keys() or any(type(sent[k]) is not kinds[k] for k in kinds):
        raise UsageError("bad-request", f"a JSON object with {', '.join(kinds)} is expected")
    return sent


def _page_files() -> dict[str, str]:
    """Files of the page by their path; the page itself is at the root."""
    names = sorted(file.name for file in (files("embedkit.review") / "page").iterdir())
    return {"/" if name == "index.html" else f"/{name}": name for name in names}


def _file(name: str) -> Callable[[Request], Response]:
    content = (files("embedkit.review") / "page" / name).read_bytes()
    kind = _TYPES[Path(name).suffix]

    def answer(_: Request) -> Response:
        return Response(content, media_type=kind)

    return answer


def _check(settings: ReviewSettings) -> None:
    if (settings.tls_cert is None) != (settings.tls_key is None):
        raise UsageError("tls-files", "--tls-cert and --tls-key belong together")
    for path in filter(None, (settings.tls_cert, settings.tls_key)):
        if not path.is_file():
            raise UsageError("tls-files", f"{path}: no such file")
    if not is_loopback(settings.host) and settings.tls_cert is None:
        message = f"{settings.host} can be reached from the network: name a certificate with --tls-cert and --tls-key"
        raise UsageError("network-without-tls", f"{message}, or stay at 127.0.0.1 and use an SSH tunnel")
    if not all(map(is_name, settings.reviewers)) or len(set(settings.reviewers)) < len(settings.reviewers):
        raise UsageError("bad-reviewer", "--reviewer: different names, of at most 64 printable characters each")


def _listen(settings: ReviewSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family)
    except (OSError, OverflowError) as error:
        reason = (
            f"{settings.host}, port {settings.port}: cannot listen there ({error}); choose another --port or --host"
        )
        raise UsageError("address-in-use", reason) from error


def _shown(host: str) -> str:
    """A host as it is written in an address; a name of this machine where the server listens at all addresses."""
    host = socket.getfqdn() if is_wildcard(host) else host
    return f"[{host}]" if ":" in host else host
