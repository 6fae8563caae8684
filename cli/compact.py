"""`embedkit compact`: rid the index of what no longer counts."""

from __future__ import annotations

from dataclasses import asdict

from embedkit.cli.console import Console
from embedkit.cli.options import DEFAULT_INDEX, AsJson, IndexPath, Quiet


def compact(index: IndexPath = DEFAULT_INDEX, as_json: AsJson = False, quiet: Quiet = False) -> None:
    """Rid the index of rows that no longer count, and of decisions on removed images; images stay the same."""
    from embedkit.indexes import compact as compact_index
    from embedkit.indexes import read_newest_removed
    from embedkit.review import erase_decisions

    console = Console(as_json, quiet)
    with console.stages() as on_progress:
        report = compact_index(index, on_progress=on_progress)
    erased = erase_decisions(index, read_newest_removed(index).hold_image)
    console.document({"index": str(index)} | asdict(report) | {"decisions_erased": erased})
    console.line(f"{report.rows_before:,} rows before, {report.rows_after:,} now")
    console.line(f"{report.bytes_before / 1e6:,.1f} MB before, {report.bytes_after / 1e6:,.1f} MB now")
    if erased:
        console.line(f"{erased:,} rows of decisions on removed images erased")
