"""Corrected copies: only the region changes, the values before are kept, and the originals are left alone."""

from __future__ import annotations

import shutil
import subprocess
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from pydicom import Dataset

from embedkit.dicom.silence import silence
from embedkit.errors import IndexFolderError, UsageError
from embedkit.export import Export, corrected, write_corrected
from embedkit.indexes import EmbedSettings, Index, embed
from embedkit.labels import Vocabulary
from embedkit.review import Decisions, find_consensus

from ..indexes.conftest import TinyEncoder
from .archive import CANARY, SYNTAXES, Archive, coded, write_archive, write_file

_CHANGED = {
    "AnatomicRegionSequence",
    "BodyPartExamined",
    "OriginalAttributesSequence",
    "InstanceCoercionDateTime",
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    return write_archive(tmp_path_factory.mktemp("archive"))


@pytest.fixture
def archive(whole: Archive, tmp_path: Path) -> Archive:
    """The same with no decision yet; the files are shared."""
    shutil.copytree(whole.folder / "index", tmp_path / "index")
    return Archive(tmp_path)


def export(archive: Archive, name: str = "copies", vocabulary: Vocabulary | None = None, **options: bool) -> Export:
    with Decisions.open(archive.folder / "index") as decisions:
        consensus = find_consensus(decisions.latest())
    words = vocabulary or Vocabulary.load()
    return write_corrected(archive.folder / name, archive.index, consensus, words, **options)


def read(content: Path | bytes) -> pydicom.FileDataset:
    with silence():
        return pydicom.dcmread(BytesIO(content) if isinstance(content, bytes) else content)


def reasons(done: Export) -> dict[str, str]:
    return {one.image_id: one.reason for one in done.left_out}


@pytest.mark.parametrize("number", range(1, len(SYNTAXES) + 1))
def test_a_copy_differs_in_the_region_and_in_nothing_else(archive: Archive, whole: Archive, number: int) -> None:
    original = (whole.dump / f"IM{number}").read_bytes()
    archive.decide(f"1.2.3.{number}", "relabel", "foot")
    assert export(archive) == Export(1)
    written = (archive.folder / "copies" / "000001.dcm").read_bytes()
    assert written[:132] == bytes(128) + b"DICM"
    before, after = read(original), read(written)
    assert after.file_meta.TransferSyntaxUID == SYNTAXES[number - 1]
    assert after.file_meta.MediaStorageSOPInstanceUID == after.SOPInstanceUID == before.SOPInstanceUID
    assert (before.file_meta.TransferSyntaxUID, before.PixelData) == (SYNTAXES[number - 1], after.PixelData)
    assert after.DataSetTrailingPadding == b"\0\0after pixels"
    for dataset in (before, after):
        for keyword in _CHANGED & set(dataset.dir()):
            del dataset[keyword]
    assert before == after
    assert (whole.dump / f"IM{number}").read_bytes() == original


def test_the_rest_of_a_file_is_taken_over_byte_for_byte(archive: Archive, whole: Archive) -> None:
    """Pixels of an encapsulated syntax with all that follows them, wherever it begins."""
    archive.decide("1.2.3.6", "relabel", "foot")
    export(archive)
    original, written = (whole.dump / "IM6").read_bytes(), (archive.folder / "copies" / "000001.dcm").read_bytes()
    pixels = original.index(b"\xe0\x7f\x10\x00OB")
    assert written.endswith(original[pixels:])


def test_the_new_region_and_the_values_before(archive: Archive) -> None:
    archive.decide("1.2.3.1", "relabel", "foot")
    archive.decide("1.2.3.2", "relabel", "lumbar spine")
    archive.decide("1.2.3.20", "relabel", "foot")
    archive.decide("1.2.3.4", "relabel", "foot")
    assert export(archive).files == 4
    copies = {str(copy.SOPInstanceUID): copy for copy in map(read, (archive.folder / "copies").glob("*.dcm"))}
    [code] = copies["1.2.3.2"].AnatomicRegionSequence
    assert (code.CodeValue, code.CodingSchemeDesignator) == ("122496007", "SCT")
    assert copies["1.2.3.2"].BodyPartExamined == "LSPINE"
    changes = {uid: copy.OriginalAttributesSequence[0] for uid, copy in copies.items()}
    for change in changes.values():
        assert (change.ModifyingSystem, change.ReasonForTheAttributeModification) == ("embedkit", "CORRECT")
        assert change.AttributeModificationDateTime.endswith("+0000")
        assert change.SourceOfPreviousValues == ""
    priors = {uid: change.ModifiedAttributesSequence[0] for uid, change in changes.items()}
    assert priors["1.2.3.1"].BodyPartExamined == "KNEE"
    assert priors["1.2.3.20"].AnatomicRegionSequence[0].CodeValue == "T-D9200"
    assert not priors["1.2.3.4"].BodyPartExamined
    assert "AnatomicRegionSequence" in priors["1.2.3.4"]
    # A value that is no code string may not stand as one (PS3.3 C.12.1.1.9).
    assert not priors["1.2.3.2"].BodyPartExamined
    [misfit] = changes["1.2.3.2"].NonconformingModifiedAttributesSequence
    assert (misfit.SelectorAttribute, misfit.NonconformingDataElementValue) == (0x00180015, b"knee_r")


def test_earlier_changes_and_parts_of_the_old_region_are_kept_as_they_were(tmp_path: Path) -> None:
    earlier = Dataset()
    earlier.ModifyingSystem, earlier.ReasonForTheAttributeModification = "PACS", "COERCE"
    archive = Archive(tmp_path)
    attributes = {"OriginalAttributesSequence": [earlier], "PrimaryAnatomicStructureSequence": [coded("T-12730")]}
    uid = write_file(archive.dump / "IM", 1, BodyPartExamined="KNEE", **attributes)
    embed([archive.dump], tmp_path / "index", encoders=[TinyEncoder()], settings=EmbedSettings(workers=1))
    archive.decide(uid, "relabel", "foot")
    export(archive)
    copy = read(archive.folder / "copies" / "000001.dcm")
    assert [item.ModifyingSystem for item in copy.OriginalAttributesSequence] == ["PACS", "embedkit"]
    assert "PrimaryAnatomicStructureSequence" not in copy
    prior = copy.OriginalAttributesSequence[1].ModifiedAttributesSequence[0]
    assert prior.PrimaryAnatomicStructureSequence[0].CodeValue == "T-12730"


@pytest.mark.slow
def test_copies_are_embedded_with_the_corrected_region(archive: Archive, tmp_path: Path) -> None:
    regions = ("foot", "pelvis/hip", "cervical spine", "hand", "elbow", "chest", "rib")
    for number, region in enumerate(regions, start=1):
        archive.decide(f"1.2.3.{number}", "relabel", region)
    assert export(archive) == Export(len(regions))
    embed([archive.folder / "copies"], tmp_path / "again", encoders=[TinyEncoder()], settings=EmbedSettings(workers=1))
    again = Index.open(tmp_path / "again")
    found = dict(zip(again.images["sop_instance_uid"].to_pylist(), again.images["region"].to_pylist(), strict=True))
    assert found == {f"1.2.3.{number}": region for number, region in enumerate(regions, start=1)}
    assert set(again.images["region_source"].to_pylist()) == {"anatomic-region-sequence"}
    for number in range(1, len(regions) + 1):
        rows = [index.find(f"1.2.3.{number}") for index in (archive.index, again)]
        assert (archive.index.pictures(rows[:1]) == again.pictures(rows[1:])).all()


def test_every_region_that_ships_with_a_code_reads_back(archive: Archive) -> None:
    vocabulary = Vocabulary.load()
    for region in vocabulary.regions:
        if region.sct:
            assert vocabulary.region_of_code(region.sct[0], "SCT") == region.name
        assert not region.body_part or vocabulary.region_of_spelling(region.body_part) == region.name


def test_only_what_the_header_says_wrongly_is_copied(archive: Archive) -> None:
    archive.decide("1.2.3.1", "keep")
    archive.decide("1.2.3.2", "out-of-domain")
    archive.decide("1.2.3.3", "relabel", "foot")
    archive.decide("1.2.3.3", "keep", reviewer="ben")  # disputed
    archive.decide("1.2.3.5", "skip")
    assert export(archive) == Export(0)
    assert list((archive.folder / "copies").glob("*.dcm")) == []


def test_a_file_of_several_frames_needs_them_to_agree(archive: Archive) -> None:
    for frame in (1, 2):
        archive.decide(f"1.2.3.30#{frame}", "relabel", "foot")
    archive.decide("1.2.3.31#2", "relabel", "foot")
    done = export(archive)
    assert (done.files, reasons(done)) == (1, {"1.2.3.31": "frames-disagree"})
    assert read(archive.folder / "copies" / "000001.dcm").BodyPartExamined == "FOOT"
    archive.decide("1.2.3.31#1", "unusable")  # says nothing of the region
    assert export(archive, "more") == Export(2)


def test_what_cannot_be_corrected_is_left_out_with_its_reason(archive: Archive, whole: Archive, tmp_path: Path) -> None:
    dump = tmp_path / "moved"
    shutil.copytree(whole.dump, dump)
    (dump / "IM2").write_bytes((dump / "IM2").read_bytes() + b"\0\0")
    (dump / "IM3").unlink()
    (dump / "IM3").mkdir()
    plain = archive.index.images["image_id"][archive.index.find(whole.dump / "plain.png") or 0].as_py()
    archive.decide(plain, "relabel", "foot")
    for number, region in ((1, "planet"), (2, "foot"), (3, "foot"), (4, "foot")):
        archive.decide(f"1.2.3.{number}", "relabel", region)
    with Decisions.open(archive.folder / "index") as decisions:
        consensus = find_consensus(decisions.latest())
    done = write_corrected(tmp_path / "copies", archive.index, consensus, Vocabulary.load(), root=dump)
    expected = {plain: "not-dicom", "1.2.3.1": "no-code", "1.2.3.2": "changed-file"}
    assert done.files == 2, "the one that is not under the root is read where it was"
    assert reasons(done) == expected


def test_a_preamble_is_not_taken_over(archive: Archive, whole: Archive) -> None:
    archive.decide("1.2.3.40", "relabel", "foot")
    export(archive)
    assert (archive.folder / "copies" / "000001.dcm").read_bytes()[:128] == bytes(128)
    assert (whole.dump / "polyglot").read_bytes()[:2] == b"MZ"


def test_new_uids_refer_to_the_source_and_are_the_same_each_time(archive: Archive) -> None:
    archive.decide("1.2.3.1", "relabel", "foot")
    for name in ("first", "second"):
        export(archive, name, new_uids=True)
    first, second = (read(archive.folder / name / "000001.dcm") for name in ("first", "second"))
    assert first.SOPInstanceUID == second.SOPInstanceUID == first.file_meta.MediaStorageSOPInstanceUID != "1.2.3.1"
    assert first.SeriesInstanceUID == second.SeriesInstanceUID != "1.2.5.1"
    assert first.StudyInstanceUID == "1.2.4.1"
    [source] = first.SourceImageSequence
    assert (source.ReferencedSOPClassUID, source.ReferencedSOPInstanceUID) == (first.SOPClassUID, "1.2.3.1")
    prior = first.OriginalAttributesSequence[0].ModifiedAttributesSequence[0]
    assert (prior.SOPInstanceUID, prior.SeriesInstanceUID) == ("1.2.3.1", "1.2.5.1")


def test_nothing_is_written_over_or_among_the_originals(archive: Archive, whole: Archive) -> None:
    archive.decide("1.2.3.1", "relabel", "foot")
    with pytest.raises(UsageError, match="among the original files"):
        write_corrected(whole.dump / "new", archive.index, {}, Vocabulary.load())
    (archive.folder / "copies").mkdir()
    (archive.folder / "copies" / "mine").touch()
    with pytest.raises(UsageError, match="not there yet"):
        export(archive)
    assert [path.name for path in (archive.folder / "copies").iterdir()] == ["mine"]


def test_a_full_disk_leaves_nothing_behind(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in (1, 2, 3):
        archive.decide(f"1.2.3.{number}", "relabel", "foot")
    written: list[Path] = []

    def fill(path: Path, data: bytes) -> None:
        if len(written) == 2:
            raise IndexFolderError("index-full", "the disk is full")
        written.append(path)
        path.write_bytes(data)

    there = set(archive.folder.iterdir())
    monkeypatch.setattr(corrected, "write_bytes", fill)
    with pytest.raises(IndexFolderError, match="full"):
        export(archive)
    assert set(archive.folder.iterdir()) == there


def test_names_of_files_say_nothing_of_the_patient(archive: Archive) -> None:
    for number in (1, 2):
        archive.decide(f"1.2.3.{number}", "relabel", "foot")
    export(archive)
    assert sorted(path.name for path in (archive.folder / "copies").iterdir()) == [
        ".embedkit-export",
        "000001.dcm",
        "000002.dcm",
        "copies.csv",
    ]
    assert CANARY not in (archive.folder / "copies" / "copies.csv").read_text()


@pytest.mark.parametrize("tool", ["dcmdump", "dciodvfy"])
def test_other_readers_find_no_new_fault(archive: Archive, whole: Archive, tool: str) -> None:
    if not shutil.which(tool):
        pytest.skip(f"no {tool}")
    for number in (1, 2, 3, 5, 6, 7):  # dciodvfy does not read deflated files
        archive.decide(f"1.2.3.{number}", "relabel", "foot")
    export(archive)
    for copy in (archive.folder / "copies").glob("*.dcm"):
        original = whole.dump / f"IM{read(copy).SOPInstanceUID.rpartition('.')[2]}"
        assert _errors(tool, copy) <= _errors(tool, original)


def _errors(tool: str, path: Path) -> set[str]:
    done = subprocess.run([tool, str(path)], capture_output=True, text=True, errors="replace")
    assert tool != "dcmdump" or done.returncode == 0, done.stderr
    lines = done.stderr.splitlines()
    return {line for line in lines if line.startswith(("Error", "E:"))}


@pytest.mark.parametrize("new_uids", [False, True])
def test_files_without_instance_uid_have_copies_with_one_each(tmp_path: Path, new_uids: bool) -> None:
    """De-identified by a hash: the index made UIDs, and the copies must not share one."""
    archive = Archive(tmp_path)
    nameless = {"SOPInstanceUID": "9a5094b2563a1ef3ff50", "SeriesInstanceUID": ""}
    for number in (1, 2):
        write_file(archive.dump / f"IM{number}", number, BodyPartExamined="KNEE", **nameless)
    embed([archive.dump], tmp_path / "index", encoders=[TinyEncoder()], settings=EmbedSettings(workers=1))
    made = archive.index.images["sop_instance_uid"].to_pylist()
    for uid in made:
        archive.decide(uid, "relabel", "foot")
    assert export(archive, new_uids=new_uids) == Export(2)
    copies = [read(path) for path in sorted((archive.folder / "copies").glob("*.dcm"))]
    uids = [copy.SOPInstanceUID for copy in copies]
    assert len({*uids, "9a5094b2563a1ef3ff50"}) == 3
    assert (uids == made) != new_uids
    assert [copy.file_meta.MediaStorageSOPInstanceUID for copy in copies] == uids
    assert new_uids == (len({copy.SeriesInstanceUID for copy in copies}) == 2)
    for copy in copies:
        [misfit] = copy.OriginalAttributesSequence[0].NonconformingModifiedAttributesSequence
        assert misfit.NonconformingDataElementValue == b"9a5094b2563a1ef3ff50"
