"""`embedkit demo`: the whole job on a synthetic dump."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from embedkit.cli.console import Console
from embedkit.cli.options import LARGEST_SEED, AsJson, Quiet

if TYPE_CHECKING:
    from embedkit.demo import DemoImage
    from embedkit.quality import IssueTable

_ANSWERS = {
    "mislabel": ("mislabelled",),
    "out_of_domain": ("out-of-domain", "mislabelled", "unusable"),
    "unusable": ("unusable", "out-of-domain"),
    "duplicate": ("near-duplicate",),
    "missing": ("missing-label",),
}
"""The issues that count as an answer to each planted fault."""


def demo(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="A folder to make: the dump, its index, the results.")
    ] = Path("embedkit-demo"),
    images: Annotated[int, typer.Option(min=60, max=100_000, help="Synthetic radiographs to draw.")] = 420,
    seed: Annotated[int, typer.Option(min=0, max=LARGEST_SEED, help="Of the drawings and the faults.")] = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Draw a synthetic dump with planted faults, embed it, and find the faults again."""
    from embedkit.cli.embed import embed_with_progress, show_report
    from embedkit.cli.find_label_issues import show_issues, write_issues
    from embedkit.cli.similar import show_neighbours
    from embedkit.demo import write_demo_dump
    from embedkit.encoder import load_encoder
    from embedkit.indexes import Index
    from embedkit.quality import find_label_issues
    from embedkit.report import write_contact_sheet

    console = Console(as_json, quiet)
    dump, place, page, sheet = (folder / name for name in ("dump", "index", "issues.html", "similar.png"))
    console.note(f"drawing {images:,} synthetic radiographs into {dump}")
    truth = write_demo_dump(folder, images=images, seed=seed)

    console.line(f"$ embedkit embed {dump} --index {place}")
    report = embed_with_progress(console, [dump], place, encoders=[load_encoder()])
    show_report(console, report, place)

    console.line(f"\n$ embedkit find-label-issues --index {place} --out {page}")
    index = Index.open(place)
    issues = find_label_issues(index)
    write_issues(page, index, issues)
    show_issues(console, issues, top=10)

    query = truth[0].sop_instance_uid
    console.line(f"\n$ embedkit similar {query} -k 5 --sheet {sheet} --index {place}")
    neighbours = index.similar(query, 5)
    row = int(index.rows_of([query])[0])
    write_contact_sheet(sheet, index, index.pictures([row])[0], index.images["region"][row].as_py(), neighbours)
    show_neighbours(console, neighbours)

    found = _score(truth, issues)
    console.document({"folder": str(folder), "images": len(index), "suspects": len(issues), "planted": found})
    rows = [
        (fault, counts["planted"], counts["found"], " or ".join(_ANSWERS[fault])) for fault, counts in found.items()
    ]
    console.table(("planted fault", "planted", "found", "listed as"), rows)
    console.line(f"Look at {page} in a browser, and at {sheet}.")


def _score(truth: Sequence[DemoImage], issues: IssueTable) -> dict[str, dict[str, int]]:
    """For each kind of planted fault: how many there are, and how many of them are listed."""
    listed: dict[str, set[str]] = {}
    columns = (issues.table[name].to_pylist() for name in ("sop_instance_uid", "issue"))
    for uid, issue in zip(*columns, strict=True):
        listed.setdefault(uid, set()).add(issue)
    found = {}
    for fault, answers in _ANSWERS.items():
        uids = [image.sop_instance_uid for image in truth if image.issue == fault]
        found[fault] = {"planted": len(uids), "found": sum(bool(listed.get(uid, set()) & {*answers}) for uid in uids)}
    return found
