"""`embedkit embed`: walk a dump into the index."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from embedkit.cli.console import Console
from embedkit.cli.options import (
    DEFAULT_INDEX,
    AsJson,
    CodecsName,
    DropLabels,
    IndexPath,
    Modalities,
    PathMap,
    Precision,
    Quiet,
    ReplaceEarlierLabels,
    Runtime,
    VocabularyFile,
    Workers,
)
from embedkit.workers import start_ahead

if TYPE_CHECKING:
    from embedkit.indexes import EmbedReport
    from embedkit.labels import LabelTable


def embed(
    sources: Annotated[
        list[Path],
        typer.Argument(metavar="SOURCES", help="Files and folders: DICOM (found by content), PNG, JPEG, TIFF."),
    ],
    index: IndexPath = DEFAULT_INDEX,
    encoder: Annotated[
        list[str] | None,
        typer.Option(
            help="A shipped encoder (simclr, byol, supcon; simclr-views looks four times), a .safetensors file, or "
            "imagenet. Repeatable: one vector space each."
        ),
    ] = None,
    precision: Precision = "auto",
    runtime: Runtime = "auto",
    labels: Annotated[
        Path | None,
        typer.Option(help="A CSV file with labels that go before the headers', added to those that are there."),
    ] = None,
    map_path: PathMap = None,
    labels_from_folders: Annotated[
        bool, typer.Option("--labels-from-folders", help="Take labels from the names of folders.")
    ] = False,
    replace_labels: ReplaceEarlierLabels = False,
    drop_labels: DropLabels = False,
    vocabulary: VocabularyFile = None,
    modality: Modalities = None,
    codecs: CodecsName = None,
    forget_vanished: Annotated[
        bool, typer.Option("--forget-vanished", help="Take files out of the index that are gone.")
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Forget them also where more than half of the sources' files are gone.")
    ] = False,
    workers: Workers = None,
    timeout: Annotated[float, typer.Option(min=1, max=86400, help="Seconds that one file may take.")] = 60.0,
    memory: Annotated[
        float, typer.Option(min=0.25, max=1024, help="GiB that a worker may allocate for one file.")
    ] = 3.0,
    retry_failed: Annotated[
        bool,
        typer.Option(
            "--retry-failed", help="Read files again that timed out, crashed or ran out of memory with these limits."
        ),
    ] = False,
    hash_paths: Annotated[
        bool, typer.Option("--hash-paths", help="Make an index that keeps no name of a file or folder, only hashes.")
    ] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Embed a dump: decode, clean and encode every radiograph, once.

    Running it again embeds what is new or changed. Interrupted, it goes on where it was.
    """
    start_ahead("embedkit.indexes.preparation")  # what workers need is imported beside what is imported here
    from embedkit.cli.labels import TableLabels, labels_document, show_labels, show_mapped
    from embedkit.cli.loading import is_mapped_by, reading_options
    from embedkit.errors import UsageError
    from embedkit.indexes import EmbedSettings, LabelSource
    from embedkit.indexes import labels_from_folders as folder_labels
    from embedkit.indexes.encoders import encoders_for

    if sum((labels is not None, labels_from_folders, drop_labels)) > 1:
        raise UsageError("two-label-sources", "give one of --labels, --labels-from-folders and --drop-labels")
    if (map_path and not labels) or (replace_labels and not (labels or labels_from_folders)):
        raise UsageError("nothing-to-do", "--map-path and --replace-labels are for --labels")
    console = Console(as_json, quiet)
    reading = reading_options(vocabulary, modality, codecs)
    assert reading.vocabulary is not None  # noqa: S101 (reading_options always loads one)
    table = TableLabels.read(labels, reading.vocabulary, map_path or ()) if labels else None
    source: LabelTable | LabelSource | None = table.labels if table else None
    if labels_from_folders:
        source = folder_labels(sources, reading.vocabulary)
    settings = EmbedSettings(
        workers,
        int(memory * 2**30),
        timeout,
        retry_failed=retry_failed,
        forget_vanished=forget_vanished,
        forget_most=yes,
        hash_paths=hash_paths,
        map_labels_again=vocabulary is not None,
    )
    if vocabulary is None and not is_mapped_by(index, reading.vocabulary):
        console.note("the labels in this index were mapped by another vocabulary: name one by --vocabulary")
    encoders = encoders_for(index, encoder or (), precision, runtime, console.note)
    report = embed_with_progress(
        console,
        sources,
        index,
        encoders=encoders,
        labels=source,
        replace_labels=replace_labels or drop_labels,
        reading=reading,
        settings=settings,
    )
    readings = table.add_readings(index) if table else None
    mapped = None if report.mapped is None else [asdict(change) for change in report.mapped]
    told = vars(report) | {"labels": labels_document(report.labels, readings), "mapped": mapped}
    console.document({"index": str(index)} | told)
    show_report(console, report, index)
    if report.mapped is not None:
        show_mapped(console, report.mapped)
    if report.given_up:
        failed = f"{report.given_up:,} files that timed out, crashed or ran out of memory were not tried again"
        console.note(f"{failed}: give more --timeout or --memory than then, or --retry-failed")
    if len(report.vanished) > report.forgotten:
        _tell_vanished(console, len(report.vanished), forget=forget_vanished)
    if report.labels:
        named = str(labels or "") or ("the names of folders" if labels_from_folders else "")
        unit = "images" if labels_from_folders else "rows"
        show_labels(console, report.labels, readings, named, reading.vocabulary, unit)


def _tell_vanished(console: Console, count: int, *, forget: bool) -> None:
    """Tell of files that are gone and stay in the index; an error where they were to be forgotten."""
    from embedkit.errors import UsageError

    if forget:
        message = f"{count:,} files are gone, more than half of those under the sources: none is forgotten"
        raise UsageError("forgets-most", f"{message}. Is a disk not mounted? If they are gone for good, add --yes")
    console.note(f"{count:,} files of the index are gone; --forget-vanished takes them out")


def embed_with_progress(console: Console, sources: list[Path], index: Path, **arguments: Any) -> EmbedReport:
    """`embedkit.indexes.embed` with a display on stderr."""
    from embedkit.indexes import embed as embed_sources

    with console.stages() as on_progress:
        return embed_sources(sources, index, on_progress=on_progress, **arguments)


def show_report(console: Console, report: EmbedReport, index: Path) -> None:
    """The final table: what was met, and why files were left out."""
    from embedkit.cli.info import show_rejected, tell_files
    from embedkit.reasons import NOTES

    console.line(f"{report.images:,} images in {index}")
    console.line(tell_files(report.image_files, report.rejected.total()))
    kinds = {"new": report.new, "changed": report.changed, "unchanged": report.unchanged}
    console.line(f"{report.files:,} files met: " + ", ".join(f"{count:,} {kind}" for kind, count in kinds.items()))
    show_rejected(console, report.rejected, report.rejected_frames)
    if report.notes:
        rows = [(count, note, NOTES.get(note, note)) for note, count in sorted(report.notes.items())]
        console.table(("images", "noted", "what"), rows)
    if report.moved:
        console.line(f"{len(report.moved):,} files moved: their images, labels and decisions are at the new paths")
    if report.forgotten:
        console.line(f"{report.forgotten:,} files that are gone were taken out of the index")
