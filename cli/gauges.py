"""`embedkit gauges`: find the gauges of surgical planning in the index's pictures, and keep the chosen ones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from embedkit.cli.console import Console
from embedkit.cli.options import DEFAULT_INDEX, AsJson, IndexPath, Quiet
from embedkit.cli.outputs import prepare_outputs

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from embedkit.image.gauges import GaugeCandidate


def gauges(
    index: IndexPath = DEFAULT_INDEX,
    region: Annotated[
        list[str] | None, typer.Option(help="Look only at images of this region. Repeatable; all where not given.")
    ] = None,
    top: Annotated[int, typer.Option(min=1, max=1_000_000, help="Candidates to show, the clearest first.")] = 48,
    sheet: Annotated[Path, typer.Option(help="The .png file that shows the candidates with their numbers.")] = Path(
        "gauges.png"
    ),
    keep: Annotated[str | None, typer.Option(help="Numbers on the sheet of those to keep: 1,4,7.")] = None,
    out: Annotated[Path, typer.Option(help="The folder for those that are kept, for `pretrain --gauges`.")] = Path(
        "gauges"
    ),
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Find circular gauges in the index's pictures; look at the sheet, then keep those that are gauges.

    The same index gives the same numbers. Anything round and bright is a candidate: only a person can tell.
    """
    from embedkit.image.gauges import cut_gauge, encode_gauge
    from embedkit.indexes.storage import make_folder, write_bytes
    from embedkit.report.gauge_sheet import draw_gauge_sheet

    console = Console(as_json, quiet)
    prepare_outputs([sheet], ".png")
    found, pictures = _find(console, index, region or [], top)
    kept = _chosen(keep, len(found))
    if found and not kept:
        write_bytes(sheet, draw_gauge_sheet(pictures, found))
    if kept:
        make_folder(out)
    for number in kept:
        template = encode_gauge(cut_gauge(pictures[number - 1], found[number - 1]))
        write_bytes(out / f"gauge-{number:03}.png", template)
    console.document({"candidates": len(found), "kept": kept, "sheet": None if kept or not found else str(sheet)})
    if kept:
        console.line(f"{len(kept)} kept in {out}; next: embedkit pretrain --gauges {out} --out ENCODER.safetensors")
    elif found:
        console.line(f"{len(found)} candidates on {sheet}; next: the same command with --keep NUMBER,NUMBER,...")
    else:
        console.line("no candidates: `embedkit pretrain` draws gauges where none are given")


def _find(
    console: Console, index: Path, regions: list[str], top: int
) -> tuple[list[GaugeCandidate], list[NDArray[np.uint8]]]:
    """The clearest candidates and their pictures; at most `top` are in memory."""
    import heapq

    import numpy as np

    from embedkit.cli.loading import check_regions
    from embedkit.image.gauges import find_gauges
    from embedkit.labels import Vocabulary

    opened = console.open_index(index)
    given = opened.images["region"].to_pylist()
    check_regions("--region", regions, {*given}, Vocabulary.load())
    rows = np.array([row for row, name in enumerate(given) if not regions or name in regions], np.int64)
    best: list[tuple[float, int, int]] = []
    clearest: dict[tuple[float, int, int], tuple[GaugeCandidate, NDArray[np.uint8]]] = {}
    with console.progress("Looking for gauges") as advance:
        for done, (position, picture) in enumerate(opened.walk_pictures(rows), 1):
            advance(done, len(rows))
            for number, gauge in enumerate(find_gauges(picture)):
                entry = (gauge.score, -int(rows[position]), -number)
                heapq.heappush(best, entry)
                clearest[entry] = gauge, picture
                if len(best) > top:
                    del clearest[heapq.heappop(best)]
    ordered = [clearest[entry] for entry in sorted(best, reverse=True)]
    return [gauge for gauge, _ in ordered], [picture for _, picture in ordered]


def _chosen(keep: str | None, count: int) -> list[int]:
    from embedkit.errors import UsageError

    try:
        numbers = sorted({int(part) for part in keep.split(",")}) if keep else []
    except ValueError as error:
        raise UsageError("bad-numbers", f"--keep {keep}: give the numbers on the sheet with commas between") from error
    if any(not 1 <= number <= count for number in numbers):
        raise UsageError("bad-numbers", f"--keep {keep}: the candidates have the numbers 1 to {count}")
    return numbers
