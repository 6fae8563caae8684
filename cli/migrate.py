"""`embedkit migrate`: bring an index of an earlier version to the format of this one."""

from __future__ import annotations

from dataclasses import asdict

from embedkit.cli.console import Console
from embedkit.cli.options import DEFAULT_INDEX, AsJson, IndexPath, Quiet


def migrate(index: IndexPath = DEFAULT_INDEX, as_json: AsJson = False, quiet: Quiet = False) -> None:
    """Bring an index that an earlier version made to this one's format; no original file is opened."""
    from embedkit.indexes import migrate as migrate_index

    console = Console(as_json, quiet)
    with console.stages() as on_progress:
        report = migrate_index(index, on_progress=on_progress)
    console.document({"index": str(index)} | asdict(report))
    if report.before == report.after:
        console.line(f"{index} has format {report.after} already")
    else:
        console.line(f"{report.images:,} images in {index}, of format {report.before} before, {report.after} now")
    if report.unknown:
        console.note(f"how the encoders of {', '.join(report.unknown)} were trained is not known until the next embed")
