"""The typer app, and the one place where errors become lines and exit codes.

Exit codes: 0 done, 1 done but something needs a look, 2 bad usage or input, 70 an error of the program, 130
interrupted.
"""

from __future__ import annotations

import gc
import os
import sys
import traceback
from pathlib import Path
from typing import Annotated

import typer
from typer.exceptions import TyperException

from embedkit.cli.classify import classify
from embedkit.cli.cluster import cluster
from embedkit.cli.command import Command
from embedkit.cli.compact import compact
from embedkit.cli.demo import demo
from embedkit.cli.embed import embed
from embedkit.cli.evaluate import evaluate
from embedkit.cli.explain import explain
from embedkit.cli.export import export
from embedkit.cli.find_label_issues import find_label_issues
from embedkit.cli.gauges import gauges
from embedkit.cli.info import info
from embedkit.cli.label import label
from embedkit.cli.label_clusters import label_clusters
from embedkit.cli.merge import merge
from embedkit.cli.migrate import migrate
from embedkit.cli.pretrain import pretrain
from embedkit.cli.remove import remove
from embedkit.cli.report import report
from embedkit.cli.review import review
from embedkit.cli.select import select
from embedkit.cli.similar import similar
from embedkit.cli.streams import prepare_streams
from embedkit.cli.verify import verify
from embedkit.errors import EmbedkitError

INTERRUPTED = 130
INTERNAL_ERROR = 70
"""EX_SOFTWARE of sysexits.h."""


app = typer.Typer(
    name="embedkit",
    help="An embedding index and label-quality toolkit for radiographs: how clean is your archive?",
    rich_markup_mode=None,  # plain help is there in half the time
    add_completion=False,
    pretty_exceptions_enable=False,  # its tracebacks show local variables, which may hold headers
)
for command in (
    embed,
    find_label_issues,
    select,
    label,
    cluster,
    label_clusters,
    review,
    export,
    similar,
    classify,
    explain,
    gauges,
    pretrain,
    evaluate,
    report,
    info,
    merge,
    migrate,
    remove,
    compact,
    verify,
    demo,
):
    app.command(cls=Command)(command)


def _show_version(asked: bool) -> None:
    if asked:
        import embedkit

        sys.stdout.write(f"embedkit {embedkit.__version__}\n")
        raise typer.Exit


@app.callback()
def _take_common_options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Take the options that stand before a command."""


def main() -> None:
    """Run the command line and exit."""
    prepare_streams()
    code = _run(sys.argv[1:])
    gc.freeze()  # else Python looks for garbage once more before it ends: 0.05 s of `similar`, 0.1 s of `embed`
    sys.exit(code)


def _run(arguments: list[str]) -> int:
    try:
        code = app(arguments, prog_name="embedkit", standalone_mode=False) or 0
        sys.stdout.flush()  # a full disk is told here, not after the exit code
    except TyperException as error:
        said = error.format_message().replace("Value error, ", "").rstrip(".")  # pydantic's name for it helps nobody
        return _fail(f"{said}. Try `embedkit --help`.")
    except EmbedkitError as error:
        return _fail(str(error))
    except OSError as error:
        return _fail(f"{error.filename or 'a file'}: {error.strerror or type(error).__name__}")
    except Exception as error:
        if os.environ.get("EMBEDKIT_TRACEBACK"):
            raise
        return _fail(_describe(error), INTERNAL_ERROR)
    if code == INTERRUPTED:  # typer turns Ctrl-C into this code, and says nothing
        return _fail("interrupted; what was done is kept, the same command goes on from there", INTERRUPTED)
    return int(code)


def _fail(message: str, code: int = 2) -> int:
    print(f"embedkit: {message}", file=sys.stderr)  # noqa: T201
    return code


def _describe(error: Exception) -> str:
    """Where an error that nobody foresaw was raised; not its text, which may hold values of a header."""
    *_, last = traceback.extract_tb(error.__traceback__)
    place = f"{type(error).__name__} at {Path(last.filename).name}:{last.lineno}"
    return (
        f"an error of the program ({place}): please report it; EMBEDKIT_TRACEBACK=1 shows more, and maybe patient data"
    )
