"""`embedkit export`: decisions and labels for other systems."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from embedkit.cli.console import Console
from embedkit.cli.options import DEFAULT_INDEX, LARGEST_SEED, AsJson, IndexPath, Quiet, RankingSpace, VocabularyFile
from embedkit.cli.outputs import prepare_outputs

if TYPE_CHECKING:
    from embedkit.export import CohortRules, Export, LeftOut
    from embedkit.indexes import Index
    from embedkit.labels import Vocabulary


def export(
    out: Annotated[
        list[Path] | None, typer.Option(help="Write the decisions to a .csv or .parquet file. Repeatable.")
    ] = None,
    dicom: Annotated[
        Path | None, typer.Option(help="Write corrected copies of DICOM files to this new folder.")
    ] = None,
    new_uids: Annotated[
        bool, typer.Option("--new-uids", help="Give the copies UIDs of their own, and a reference to their source.")
    ] = False,
    sr: Annotated[
        Path | None, typer.Option(help="Write a DICOM structured report for each study to this new folder.")
    ] = None,
    label_studio: Annotated[
        Path | None, typer.Option(help="Write suspects and decisions for Label Studio to this new folder.")
    ] = None,
    fiftyone: Annotated[
        Path | None, typer.Option(help="Write all images as a FiftyOne dataset to this new folder.")
    ] = None,
    cohort: Annotated[
        list[Path] | None, typer.Option(help="Write a list of images to this .csv or .parquet file. Repeatable.")
    ] = None,
    region: Annotated[
        list[str] | None, typer.Option(help="Take only images of this region into the cohort. Repeatable.")
    ] = None,
    min_confidence: Annotated[
        float,
        typer.Option(min=0, max=1, help="Take only images into the cohort whose region the model is this sure of."),
    ] = 0.0,
    no_suspects: Annotated[
        bool, typer.Option("--no-suspects", help="Take no image with an issue into the cohort, unless it was reviewed.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace files, and folders that an earlier export wrote.")
    ] = False,
    root: Annotated[
        Path | None, typer.Option(help="The folder that the original files were moved to, as they lay.")
    ] = None,
    vocabulary: VocabularyFile = None,
    index: IndexPath = DEFAULT_INDEX,
    space: RankingSpace = None,
    seed: Annotated[int, typer.Option(min=0, max=LARGEST_SEED, help="Of the folds.")] = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Write decisions and labels for other systems: tables, DICOM copies and reports, datasets, cohorts."""
    from embedkit.errors import UsageError
    from embedkit.export import CohortRules
    from embedkit.labels import Vocabulary

    tables, cohorts = out or [], cohort or []
    folders = [folder for folder in (dicom, sr, label_studio, fiftyone) if folder]
    prepare_outputs((*tables, *cohorts), ".csv", ".parquet")
    if not (tables or cohorts or folders):
        raise UsageError("nothing-to-do", "say what to write: see `embedkit export --help`")
    if not cohorts and (region or min_confidence or no_suspects):
        raise UsageError("nothing-to-do", "--region, --min-confidence and --no-suspects are for a --cohort")
    if root is not None and not root.is_dir():
        raise UsageError("root-not-found", f"{root}: no such folder")
    names = Vocabulary.load(vocabulary)
    console = Console(as_json, quiet)
    opened = _open_index(console, index, alone=bool(tables) and not (cohorts or folders))
    work = _Exports(console, index, opened, names, root, overwrite=overwrite)
    work.prepare([*tables, *cohorts], folders)
    work.check_regions(region or [])
    for path in tables:
        work.write_decisions(path)
    if dicom:
        work.write_copies(dicom, new_uids=new_uids)
    if sr:
        work.write_reports(sr)
    if label_studio or fiftyone or cohorts:
        rules = CohortRules(tuple(region or ()), min_confidence, no_suspects)
        work.write_ranked(space, seed, label_studio=label_studio, fiftyone=fiftyone, cohorts=cohorts, rules=rules)
    work.show()


def _open_index(console: Console, path: Path, *, alone: bool) -> Index | None:
    """Open the index; None where it cannot be read and the decisions are exported `alone`, which need it for paths."""
    from embedkit.errors import IndexFolderError

    try:
        return console.open_index(path)
    except IndexFolderError as error:
        if not alone or error.reason == "index-absent":
            raise
        console.note(f"{error}. The decisions are exported without the paths of their images")
        return None


class _Exports:
    """Writes one export after the other, and tells at the end what became of them."""

    def __init__(
        self,
        console: Console,
        path: Path,
        index: Index | None,
        vocabulary: Vocabulary,
        root: Path | None,
        *,
        overwrite: bool,
    ) -> None:
        from embedkit.cli.loading import read_decisions
        from embedkit.review import find_consensus

        self._console, self._opened, self._vocabulary, self._root = console, index, vocabulary, root
        self._overwrite = overwrite
        self._latest = read_decisions(path)
        self._consensus = find_consensus(self._latest)
        self._written: list[tuple[Path, int, str]] = []
        self._left_out: list[LeftOut] = []
        self._gone: set[str] = set()

    @property
    def _index(self) -> Index:
        """The index, which all exports but the decisions need."""
        assert self._opened is not None  # noqa: S101 (`_open_index` raises where they are asked for)
        return self._opened

    def prepare(self, files: list[Path], folders: list[Path]) -> None:
        """Refuse what may not be replaced before anything is written; clear away what killed exports left."""
        from embedkit.errors import UsageError
        from embedkit.export import check_output, remove_leftovers

        for path, times in Counter(path.resolve() for path in (*files, *folders)).items():
            if times > 1:
                raise UsageError("output-twice", f"{path}: it is named for two exports")
            try:
                check_output(path, overwrite=self._overwrite)
            except UsageError as error:
                advice = "" if self._overwrite else ", or replace it with --overwrite"
                raise UsageError(error.reason, f"{error}{advice}") from None
        for folder in folders:
            if remove_leftovers(folder):
                self._console.note(f"{folder}: removed what an export that was killed had left beside it")

    def check_regions(self, regions: list[str]) -> None:
        """Refuse regions that no image can have, and say which ones none has."""
        from embedkit.cli.loading import check_regions

        if not regions:
            return
        known = {*self._index.images["region"].to_pylist(), *(found.region for found in self._consensus.values())}
        check_regions("--region", regions, known, self._vocabulary)
        for region in regions:
            if region not in known:
                self._console.note(f"--region {region}: no image of the index has this label")

    def write_decisions(self, path: Path) -> None:
        from embedkit.export import tabulate_decisions, write_table

        table = tabulate_decisions(self._opened, self._latest)
        write_table(path, table)
        self._gone |= self._find_gone(table["path"].to_pylist())
        self._written.append((path, table.num_rows, "decisions"))

    def write_copies(self, folder: Path, *, new_uids: bool) -> None:
        from embedkit.export import write_corrected

        with self._console.progress("Correcting") as advance:
            done = write_corrected(
                folder,
                self._index,
                self._consensus,
                self._vocabulary,
                root=self._root,
                new_uids=new_uids,
                overwrite=self._overwrite,
                on_progress=advance,
            )
        self._note(folder, done, "corrected copies")

    def write_reports(self, folder: Path) -> None:
        from embedkit.export import write_structured_reports

        with self._console.progress("Reporting") as advance:
            done = write_structured_reports(
                folder,
                self._index,
                self._consensus,
                self._vocabulary,
                root=self._root,
                overwrite=self._overwrite,
                on_progress=advance,
            )
        self._note(folder, done, "structured reports")

    def write_ranked(
        self,
        space: str | None,
        seed: int,
        *,
        label_studio: Path | None,
        fiftyone: Path | None,
        cohorts: list[Path],
        rules: CohortRules,
    ) -> None:
        """What needs the model's word, after what reviewers agreed on."""
        from embedkit.export import list_cohort, write_fiftyone, write_label_studio, write_table
        from embedkit.review import find_open_issues

        with self._console.stages() as tell:
            issues = find_open_issues(
                self._index, self._latest, space=space, all_images=True, seed=seed, on_progress=tell
            )
        if issues.made:
            self._console.note(issues.say_when())
        if label_studio:
            count = write_label_studio(label_studio, self._index, self._latest, issues, overwrite=self._overwrite)
            self._written.append((label_studio, count, "tasks"))
        if fiftyone:
            count = write_fiftyone(fiftyone, self._index, self._latest, issues, overwrite=self._overwrite)
            self._written.append((fiftyone, count, "images"))
        if not cohorts:
            return
        table = list_cohort(self._index, self._consensus, issues, rules)
        for path in cohorts:
            write_table(path, table)
            self._written.append((path, table.num_rows, "images"))
        self._gone |= self._find_gone(table["path"].to_pylist())

    def _find_gone(self, paths: list[str]) -> set[str]:
        """Find those of the listed originals that are not where they were."""
        from embedkit.review.originals import find_original, is_there

        return {path for path in paths if path and not is_there(find_original(self._index.paths, path, self._root))}

    def _note(self, folder: Path, done: Export, what: str) -> None:
        self._written.append((folder, done.files, what))
        self._left_out += done.left_out

    def show(self) -> None:
        from embedkit.export import LEFT_OUT

        written = [{"path": str(path), "count": count, "of": what} for path, count, what in self._written]
        left_out = [{"image_id": one.image_id, "reason": one.reason} for one in self._left_out]
        self._console.document({"written": written, "left_out": left_out, "originals_gone": len(self._gone)})
        for path, count, what in self._written:
            self._console.line(f"written: {path}: {count:,} {what}")
        if self._gone:
            gone = f"{len(self._gone):,} of the listed originals are not where they were"
            self._console.line(f"{gone}: if they moved, embed the new place")
        for reason, count in Counter(one.reason for one in self._left_out).most_common():
            self._console.line(f"left out: {count:,} {reason}: {LEFT_OUT[reason]}")
