"""The commands as users type them, on a small synthetic dump."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pydicom
import pytest

from embedkit.cli.embed import embed
from embedkit.demo import write_demo_dump
from embedkit.dicom.silence import silence
from embedkit.encoder.encoding import PRECISIONS
from embedkit.errors import UsageError
from embedkit.indexes import Index
from embedkit.indexes.preparation import prepare_rows
from embedkit.review import Decisions

pytestmark = pytest.mark.slow

CANARY = b"CANARY^JANE"
COLUMNS = (
    "rank,sop_instance_uid,path,issue,given_region,suggested_region,score,confidence,neighbour_agreement,evidence,"
    "duplicate_group,duplicate_role,reason"
)


def run(*arguments: str | Path, code: int = 0, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """One command in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-P", "-W", "error", "-c", "from embedkit.cli import main; main()", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done


@dataclass(frozen=True)
class Site:
    """A dump, its index, and what `embed` said."""

    dump: Path
    index: Path
    embedded: subprocess.CompletedProcess[str]


TYPED = (
    *("ViewPosition", "Laterality", "ImageLaterality", "Manufacturer", "ManufacturerModelName", "StationName"),
    *("SeriesDescription", "StudyDescription", "ProtocolName", "ImageComments", "InstitutionName", "StudyID"),
    *("PatientOrientation", "OperatorsName", "DeviceSerialNumber", "AccessionNumber"),
)


def type_names(paths: list[Path]) -> None:
    """Put the patient's name and birth date into every text of some headers."""
    with silence():
        for path in paths:
            dataset = pydicom.dcmread(path)
            for keyword in TYPED:
                setattr(dataset, keyword, "CANARY^JANE 01.01.1970")
            dataset.BurnedInAnnotation = "YES"
            dataset.save_as(path)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    folder = tmp_path_factory.mktemp("site")
    write_demo_dump(folder, images=84, seed=5)
    for path in (folder / "dump").rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes().replace(b"DEMO^PATIENT", b"CANARY^JANE "))
    type_names(sorted((folder / "dump").rglob("IM*"))[10:14])
    done = run("embed", folder / "dump", "--index", folder / "index")
    return Site(folder / "dump", folder / "index", done)


def test_embed_ends_with_a_table_of_what_was_met(site: Site) -> None:
    assert "84 images" in site.embedded.stdout
    assert "not-an-image" in site.embedded.stdout
    assert "header-incomplete" in site.embedded.stdout


def test_the_dump_holds_the_canary_and_nothing_else_does(site: Site, tmp_path: Path) -> None:
    assert any(CANARY in path.read_bytes() for path in site.dump.rglob("*") if path.is_file())
    done = run(
        "find-label-issues", "--all", "--index", site.index, "--out", tmp_path / "i.csv", "--out", tmp_path / "i.html"
    )
    reported = run("report", "--out", tmp_path / "report.html", "--index", site.index, "--json")
    tables = [tmp_path / "cohort.csv", tmp_path / "cohort.parquet"]
    cohort = run("export", "--cohort", tables[0], "--cohort", tables[1], "--index", site.index, "--json")
    shown = run("info", "--index", site.index, "--json")
    texts = [text for each in (site.embedded, done, reported, cohort, shown) for text in (each.stdout, each.stderr)]
    index = Index.open(site.index)
    texts += [str(index.images.to_pylist()), str(index.rejected.to_pylist())]  # the files are compressed
    assert not any(word in text for text in texts for word in ("CANARY", "JANE", "01.01.1970"))
    assert index.images["station"].to_pylist().count("(withheld)") == 4
    assert json.loads(shown.stdout)["notes"]["burned-in-annotation"] == 4
    assert "burned into" in run("info", "--index", site.index).stdout
    for folder in (site.index, tmp_path):
        for path in folder.rglob("*"):
            assert CANARY not in str(path).encode()
            assert not path.is_file() or CANARY not in path.read_bytes(), path


def test_embed_again_reads_nothing(site: Site) -> None:
    report = json.loads(run("embed", site.dump, "--index", site.index, "--json").stdout)
    assert (report["new"], report["changed"], report["unchanged"]) == (0, 0, report["files"])


def test_find_label_issues_writes_the_table_in_every_format(site: Site, tmp_path: Path) -> None:
    outputs = [tmp_path / f"issues.{suffix}" for suffix in ("csv", "parquet", "html")]
    options = [word for path in outputs for word in ("--out", path)]
    done = run("find-label-issues", "--index", site.index, "--json", *options)
    listed = json.loads(done.stdout)["issues"]
    assert outputs[0].read_text().splitlines()[0] == COLUMNS
    assert len(list(csv.DictReader(outputs[0].read_text().splitlines()))) == len(listed) > 0
    assert [row["score"] for row in listed] == sorted((row["score"] for row in listed), reverse=True)
    assert all(path.stat().st_size for path in outputs)


def test_similar_by_uid_and_by_file_agree(site: Site, tmp_path: Path) -> None:
    index = Index.open(site.index)
    uid, path = (index.images[name][0].as_py() for name in ("image_id", "path"))
    by_uid = json.loads(run("similar", uid, "-k", 5, "--index", site.index, "--json").stdout)["similar"]
    by_path = json.loads(run("similar", path, "-k", 5, "--index", site.index, "--json").stdout)["similar"]
    assert by_uid == by_path
    assert len(by_uid) == 5
    copy = tmp_path / "elsewhere.dcm"
    copy.write_bytes(Path(path).read_bytes())
    sheet = tmp_path / "sheet.png"
    done = run("similar", copy, "-k", 5, "--sheet", sheet, "--index", site.index)
    assert uid in done.stdout, "the nearest to a copy is the original"
    assert cv2.imread(str(sheet)).shape[0] > 256


def test_similar_by_uid_imports_nothing_that_takes_long(site: Site) -> None:
    uid = Index.open(site.index).images["image_id"][3].as_py()
    code = (
        f"import sys; from embedkit.cli.app import app; app(['similar', '{uid}', '--index', {str(site.index)!r}, "
        "'--json'], standalone_mode=False); print([name for name in "
        "('pandas', 'torch', 'pydicom', 'cv2', 'imagecodecs', 'sklearn', 'pyarrow.compute') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_embed_imports_no_pandas(site: Site, tmp_path: Path) -> None:
    code = (
        "import sys; from embedkit.cli.app import app; app(['embed', *sys.argv[1:]], standalone_mode=False); "
        "print([name for name in ('pandas', 'torch', 'sklearn') if name in sys.modules])"
    )
    for _ in ("new", "again"):
        command = [sys.executable, "-P", "-c", code, str(site.dump), "--index", str(tmp_path / "index"), "--quiet"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert done.stdout.splitlines()[-1] == "[]"


def test_report_draws_a_map_with_the_suspects_as_stars(site: Site, tmp_path: Path) -> None:
    issues = tmp_path / "issues.csv"
    run("find-label-issues", "--index", site.index, "--out", issues)
    suspects = [row for row in csv.DictReader(issues.read_text().splitlines()) if row["issue"] == "mislabelled"]
    outputs = [tmp_path / f"map.{suffix}" for suffix in ("svg", "png", "html")]
    options = [word for path in outputs for word in ("--map", path)]
    done = run("report", *options, "--projection", "tsne", "--issues", issues, "--index", site.index, "--json")
    document = json.loads(done.stdout)
    assert document["images"] == 84
    assert document["stars"] >= sum(float(row["score"]) > 0.5 for row in suspects)
    assert all(CANARY not in path.read_bytes() for path in outputs)


def test_explain_draws_an_image_of_the_index_and_a_file_alike(site: Site, tmp_path: Path) -> None:
    index = Index.open(site.index)
    uid, path = (index.images[name][0].as_py() for name in ("image_id", "path"))
    (tmp_path / "new.dcm").write_bytes(Path(path).read_bytes())
    drawn = []
    for query in (uid, tmp_path / "new.dcm"):
        out = tmp_path / f"{len(drawn)}.png"
        document = json.loads(run("explain", query, "--out", out, "--index", site.index, "--json").stdout)
        assert 0 < document["probability"] <= 1
        drawn.append(out.read_bytes())
    assert drawn[0] == drawn[1]
    assert CANARY not in drawn[0]
    said = run("explain", uid, "--region", "spleen", "--index", site.index, code=2, cwd=tmp_path).stderr
    assert "spleen" in said


def test_classify_names_missing_labels_and_gates_files(site: Site, tmp_path: Path) -> None:
    index = Index.open(site.index)
    missing = sum(not region for region in index.images["region"].to_pylist())
    run("classify", "--index", site.index, "--out", tmp_path / "regions.csv", code=1)
    rows = list(csv.DictReader((tmp_path / "regions.csv").read_text().splitlines()))
    assert len(rows) == missing
    path = index.images["path"][3].as_py()
    document = json.loads(run("classify", path, "--index", site.index, "--json", code=1).stdout)
    (image,) = document["images"]
    assert image["region"]
    assert 0 <= image["probability"] <= 1
    assert image["in_domain"] in (True, False)
    assert image["confident"] is False, "84 images cannot show that 99 of 100 are right"
    assert document["thresholds"][image["region"]]["confidence"] is None


def test_evaluate_writes_tables_figures_and_a_head_that_classify_takes(site: Site, tmp_path: Path) -> None:
    out, head, place = tmp_path / "evaluation", tmp_path / "head.safetensors", tmp_path / "index"
    subprocess.run(["cp", "-r", str(site.index), str(place)], check=True)
    images = Index.open(place).images.select(["image_id", "region"]).to_pylist()
    upper = ("hand", "wrist", "elbow", "shoulder", "clavicle", "skull", "cervical spine")
    rows = [f"{row['image_id']},{'upper' if row['region'] in upper else 'lower'}" for row in images if row["region"]]
    (tmp_path / "labels.csv").write_text("\n".join(["image_id,region", *rows]))
    run("embed", site.dump, "--index", place, "--labels", tmp_path / "labels.csv")
    shape = ("--folds", 3, "--fraction", 0.1, "--fraction", 1, "--draws", 2)
    done = run("evaluate", "--index", place, *shape, "--attention", "--out", out, "--head-out", head, "--json")
    summary = json.loads(done.stdout)
    assert summary == json.loads((out / "summary.json").read_text())
    overall = summary["accuracy"]["simclr linear"]["overall"]
    assert 0.3 < overall["low"] < overall["value"] < overall["high"] <= 1
    assert "simclr linear" in (out / "evaluation.md").read_text()
    looked = list(csv.DictReader((out / "attention.csv").read_text().splitlines()))
    assert [row["space"] for row in looked] == ["simclr", "simclr"], "a gauge and a border"
    path = Index.open(place).images["path"][3].as_py()
    (tmp_path / "new.dcm").write_bytes(Path(path).read_bytes())
    document = json.loads(run("classify", tmp_path / "new.dcm", "--head", head, "--json", code=1, cwd=tmp_path).stdout)
    assert document["images"][0]["region"] in summary["regions"]
    assert document["images"][0]["confident"] is False
    assert set(document["thresholds"]) == set(summary["regions"])
    by_index = json.loads(run("classify", "--all", "--head", head, "--index", place, "--json", code=1).stdout)
    assert document["images"][0]["region"] == by_index["images"][3]["region"]
    spoilt = tmp_path / "spoilt.safetensors"
    spoilt.write_bytes(head.read_bytes().replace(b'\\"encoder\\": \\"', b'\\"encoder\\": \\"0', 1)[:-1])
    assert "not a head" in run("classify", "--all", "--head", spoilt, "--index", place, code=2).stderr


def test_a_head_for_another_encoder_is_refused(site: Site, tmp_path: Path) -> None:
    from embedkit.heads import fit_ensemble, save_head

    index = Index.open(site.index)
    vectors = {"simclr": index.vectors()}
    codes, patients = np.arange(len(index)) % 2, np.arange(len(index))
    other = fit_ensemble(vectors, codes, patients, ("hand", "knee"), encoders={"simclr": "0" * 64}, preprocessing="1")
    save_head(tmp_path / "other.safetensors", other)
    said = run("classify", "--all", "--head", tmp_path / "other.safetensors", "--index", site.index, code=2).stderr
    assert "another encoder" in said
    file = index.images["path"][0].as_py()
    assert "encoder" in run("classify", file, "--head", tmp_path / "other.safetensors", code=2).stderr


def test_info_lists_spellings_and_what_they_became(site: Site) -> None:
    document = json.loads(run("info", "--index", site.index, "--json").stdout)
    became = {row["given"]: row["region"] for row in document["spellings"]}
    assert document["images"] == 84
    assert any(given != region for given, region in became.items())
    assert document["spaces"]["simclr"]["precision"] in PRECISIONS
    assert "84 images" in run("info", "--index", site.index).stdout


def test_info_names_every_rejected_file(site: Site) -> None:
    document = json.loads(run("info", "--index", site.index, "--json").stdout)
    rejected = {(Path(file["path"]).name, file["reason"]) for file in document["rejected_files"]}
    assert sum(document["rejected"].values()) == len(rejected) == 2
    said = run("info", "--rejected", "--index", site.index).stdout
    assert all(name in said and reason in said for name, reason in rejected)


def test_embed_fills_the_spaces_that_the_index_has_and_no_other(site: Site, tmp_path: Path) -> None:
    first, second = tmp_path / "dump" / "a.dcm", tmp_path / "dump" / "b.dcm"
    first.parent.mkdir()
    paths = Index.open(site.index).images["path"].to_pylist()[:2]
    shutil.copy(paths[0], first)
    run("embed", tmp_path / "dump", "--index", tmp_path / "index", "--encoder", "byol")
    shutil.copy(paths[1], second)
    run("embed", tmp_path / "dump", "--index", tmp_path / "index")
    assert list(Index.open(tmp_path / "index").spaces) == ["byol"]
    assert Index.open(tmp_path / "index").vectors("byol").shape == (2, 512)
    run("embed", tmp_path / "dump", "--index", tmp_path / "index", "--encoder", "simclr")
    opened = Index.open(tmp_path / "index")
    assert {name: len(opened.vectors(name)) for name in opened.spaces} == {"byol": 2, "simclr": 2}


def test_an_encoder_that_is_not_shipped_is_asked_for(site: Site, tmp_path: Path) -> None:
    run("pretrain", "--out", tmp_path / "site.safetensors", "--index", site.index, "--epochs", 1, "--view-size", 32)
    run("embed", site.dump, "--index", tmp_path / "index", "--encoder", tmp_path / "site.safetensors")
    assert "--encoder" in run("embed", site.dump, "--index", tmp_path / "index", code=2).stderr
    run("embed", site.dump, "--index", tmp_path / "index", "--encoder", tmp_path / "site.safetensors")


def test_labels_from_a_table_go_before_the_headers(site: Site, tmp_path: Path) -> None:
    index = Index.open(site.index)
    table = tmp_path / "labels.csv"
    uid = index.images["image_id"][0].as_py()
    table.write_text(f"sop_instance_uid,region\n{uid},Forearm\n")
    other = tmp_path / "index"
    run("embed", site.dump, "--index", other, "--labels", table)
    relabelled = Index.open(other)
    row = relabelled.rows_of([uid])[0]
    assert relabelled.images["region"][int(row)].as_py() == "forearm"
    assert relabelled.images["region_source"][int(row)].as_py() == "csv"


def test_verify_passes_and_then_finds_a_flipped_byte(site: Site, tmp_path: Path) -> None:
    run("verify", "--index", site.index)
    copy = tmp_path / "copy"
    subprocess.run(["cp", "-r", str(site.index), str(copy)], check=True)
    shard = next((copy / "shards").glob("*.images.parquet"))
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    assert shard.name in run("verify", "--index", copy, code=1).stdout


def test_verify_names_damaged_decisions_and_regions_that_nobody_knows(site: Site, tmp_path: Path) -> None:
    copy = shutil.copytree(site.index, tmp_path / "index")
    with Decisions.open(copy) as decisions:
        decisions.record("1.2.3", "anna", "relabel", region="hand")
        decisions.record("1.2.4", "anna", "relabel", region="gizmo", note="CANARY")
    said = run("verify", "--index", copy, code=1).stdout
    assert "number 2)" in said
    assert "1 problems" in said
    (tmp_path / "gizmos.toml").write_text('[gizmo]\nspellings = ["gizmo"]\n')
    run("verify", "--index", copy, "--vocabulary", tmp_path / "gizmos.toml")
    database = copy / "decisions.sqlite"
    database.write_bytes(database.read_bytes().replace(b"relabelhand", b"relabelha.d"))
    for command in ("verify", "find-label-issues"):
        done = run(command, "--index", copy, code=1 if command == "verify" else 2)
        assert "decision 1 is not as it was recorded" in done.stdout + done.stderr
        assert "CANARY" not in done.stdout + done.stderr
    database.unlink()
    assert "decisions-backup.sqlite" in run("find-label-issues", "--index", copy, code=2).stderr
    shutil.copy(copy / "decisions-backup.sqlite", database)
    assert "gizmo" not in run("verify", "--index", copy, code=1).stderr


def test_pretrain_makes_an_encoder_that_embed_takes(site: Site, tmp_path: Path) -> None:
    out = tmp_path / "site.safetensors"
    small = ("--epochs", 1, "--batch-size", 32, "--view-size", 32)
    run("pretrain", "--out", out, "--index", site.index, *small)
    index = tmp_path / "index"
    run("embed", site.dump, "--index", index, "--encoder", out)
    uid = Index.open(index).images["image_id"][0].as_py()
    assert run("similar", uid, "--index", index).stdout
    file = Index.open(index).images["path"][0].as_py()
    (tmp_path / "new.dcm").write_bytes(Path(file).read_bytes())
    assert "--encoder" in run("similar", tmp_path / "new.dcm", "--index", index, code=2).stderr
    run("similar", tmp_path / "new.dcm", "--index", index, "--encoder", out)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["embed", "no-such-folder"], "no-such-folder"),
        (["info", "--index", "no-such-index"], "no-such-index"),
        (["find-label-issues", "--out", "issues.xls"], ".csv"),
        (["similar", "1.2.3", "--sheet", "sheet.gif"], ".png"),
        (["evaluate", "--head-out", "head.bin"], ".safetensors"),
        (["evaluate", "--baseline"], "--out"),
        (["evaluate", "--folds", "1"], "--folds"),
        (["classify", "--head", "no-such-head", "a.dcm"], "no-such-head"),
        (["classify", "--head", "h.safetensors", "--space", "simclr"], "--space"),
        (["explain", "1.2.3", "--out", "why.pdf"], ".png"),
        (["report"], "--map"),
        (["report", "--map", "map.pdf"], ".svg"),
        (["embed", ".", "--encoder", "no-such-encoder"], "no-such-encoder"),
        (["no-such-command"], "no-such-command"),
    ],
)
def test_bad_usage_says_what_to_do_in_one_line(arguments: list[str], said: str, tmp_path: Path) -> None:
    done = run(*arguments, code=2, cwd=tmp_path)
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not done.stdout


def test_embed_has_the_module_of_its_workers_imported_ahead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server takes no notice of a module that is not there: it would only be slower."""
    named: list[str] = []
    monkeypatch.setattr("embedkit.cli.embed.start_ahead", named.append)
    with pytest.raises(UsageError, match="no such file"):
        embed([tmp_path / "missing"], tmp_path / "index", quiet=True)
    assert named == [prepare_rows.__module__]


def test_an_interrupted_embed_keeps_its_work(site: Site, tmp_path: Path) -> None:
    command = [sys.executable, "-P", "-c", "from embedkit.cli import main; main()", "embed", str(site.dump)]
    process = subprocess.Popen([*command, "--index", str(tmp_path / "index"), "--workers", "1"], stderr=subprocess.PIPE)
    while process.poll() is None and not (tmp_path / "index" / "lock").exists():
        time.sleep(0.05)
    time.sleep(0.3)  # later, it may be done, and end by the signal before Python has ended
    os.kill(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=120)
    assert process.returncode in (0, 130), said
    if process.returncode == 130:
        assert b"interrupted" in said
        assert b"Traceback" not in said
    run("embed", site.dump, "--index", tmp_path / "index")
    resumed, unbroken = (Index.open(index).images.drop(["patient"]) for index in (tmp_path / "index", site.index))
    assert resumed.equals(unbroken), "the same rows but for the patients' hashes, whose key is each index's own"
