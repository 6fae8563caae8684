"""`embedkit info`: what is in the index."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from embedkit.cli.console import Console
from embedkit.cli.options import DEFAULT_INDEX, AsJson, IndexPath, Quiet

if TYPE_CHECKING:
    from embedkit.indexes import Index


def info(
    index: IndexPath = DEFAULT_INDEX,
    top: Annotated[int, typer.Option(min=1, max=1_000_000, help="Rows of a table to show.")] = 40,
    only_rejected: Annotated[
        bool, typer.Option("--rejected", help="Show every rejected file with its reason, and nothing else.")
    ] = False,
    original: Annotated[
        str | None,
        typer.Option(metavar="PATH|UID", help="Show where the file of an image, or of a path of the index, is now."),
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Show what is in the index: regions, spellings and what each became, what was odd, vector spaces."""
    import pyarrow.compute as pc

    from embedkit.reasons import NOTES

    console = Console(as_json, quiet)
    opened = console.open_index(index)
    if original is not None:
        _show_original(console, opened, original)
        return
    columns = (opened.images[name].to_pylist() for name in ("given", "region", "region_source"))
    spellings = Counter(zip(*columns, strict=True))
    regions = Counter(opened.images["region"].to_pylist())
    syntaxes = Counter(opened.images["transfer_syntax_uid"].to_pylist())
    rejected = Counter(opened.rejected_files["reason"].to_pylist())
    notes = Counter(pc.list_flatten(opened.images["notes"]).to_pylist())
    patients = len(set(opened.images["patient"].to_pylist()) - {""})
    console.document(
        {
            "index": str(index),
            "images": len(opened),
            "image_files": opened.image_files,
            "patients": patients,
            "regions": dict(regions.most_common()),
            "spellings": [
                {"given": given, "region": region, "source": source, "images": count}
                for (given, region, source), count in spellings.most_common()
            ],
            "transfer_syntaxes": dict(syntaxes.most_common()),
            "notes": dict(notes.most_common()),
            "rejected": dict(rejected.most_common()),
            "rejected_frames": dict(opened.rejected_frames.most_common()),
            "rejected_files": opened.rejected_files.to_pylist(),
            "spaces": {name: asdict(space) for name, space in opened.spaces.items()},
        }
    )
    if only_rejected:
        files = opened.rejected_files.select(["reason", "path"]).to_pylist()
        console.table(("rejected", "file"), [tuple(file.values()) for file in files])
        return
    console.line(f"{len(opened):,} images of {patients:,} patients in {index}")
    console.line(tell_files(opened.image_files, rejected.total()))
    console.table(("region", "images"), [(name or "(none)", count) for name, count in regions.most_common(top)])
    mapped = [(*key, count) for key, count in spellings.most_common() if key[1]]
    console.table(("spelling", "became", "found in", "images"), mapped[:top])
    unmapped = [(key[0], key[2], count) for key, count in spellings.most_common() if key[0] and not key[1]]
    if unmapped:
        console.table(("could not be mapped", "found in", "images"), unmapped[:top])
    if notes:
        noted = [(count, note, NOTES.get(note, note)) for note, count in notes.most_common()]
        console.table(("images", "noted", "what"), noted)
    show_rejected(console, rejected, opened.rejected_frames)
    spaces = [(n, s.encoder[:12], s.input_size, s.precision, s.runtime) for n, s in opened.spaces.items()]
    console.table(("space", "encoder", "pixels", "precision", "runtime"), spaces)


def _show_original(console: Console, index: Index, query: str) -> None:
    """Where a file is: the one answer that has its name where the index keeps none."""
    from embedkit.errors import UsageError
    from embedkit.indexes.paths import path_text
    from embedkit.review.originals import find_original, is_there

    row = index.find(query)
    path = find_original(index.paths, query if row is None else index.images["path"][row].as_py(), None)
    if not is_there(path):
        raise UsageError(
            "original-gone", f"{index.shown(query)}: no such file is found; if it moved, embed the new place"
        )
    console.document({"query": index.shown(query), "original": path_text(path)})
    console.line(path_text(path))


def tell_files(image_files: int, rejected: int) -> str:
    """How the files of an index divide: each has an image, or several, or is rejected."""
    return f"{image_files + rejected:,} files in it: {image_files:,} with an image or several, {rejected:,} rejected"


def show_rejected(console: Console, files: Counter[str], frames: Counter[str]) -> None:
    """Files without an image by reason, and frames that are none, of these files or of others."""
    from embedkit.indexes import REASONS

    reasons = [reason for reason, _ in (files | frames).most_common()]
    rows = [(files[reason], frames[reason], reason, REASONS.get(reason, reason)) for reason in reasons]
    if rows:
        console.table(("files", "frames", "rejected", "why"), rows)
