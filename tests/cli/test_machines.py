"""Every command on machines as they are: offline, without a home, output closed, the index on a read-only disk.

Each does its job, or ends with one line that says why not. Surroundings are made by namespaces (unshare(1)).
"""

from __future__ import annotations

import csv
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.main import get_command

from embedkit.cli.app import INTERNAL_ERROR, app
from embedkit.demo import write_demo_dump
from embedkit.indexes import Index

from .test_commands import CANARY, Site, run

PROGRAM = [sys.executable, "-P", "-W", "error", "-c", "from embedkit.cli import main; main()"]
NAMESPACES = ["unshare", "--map-root-user", "--mount", "--net"]
NO_PASSWD = "mount --bind /dev/null /etc/passwd"
COUNT_ROUTES = 'grep ^Ip: /proc/net/snmp | tail -n 1 | cut -d " " -f 13 >"$ROUTES"'
"""How often something in the namespace tried to reach an address outside of it (OutNoRoutes of RFC 1213)."""
WRITERS = {"embed", "label", "label-clusters", "review", "migrate", "remove", "compact"}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        sys.platform != "linux"
        or not shutil.which("unshare")
        or subprocess.run([*NAMESPACES, "sh", "-c", NO_PASSWD], capture_output=True).returncode != 0,
        reason="no namespaces: unshare(1) is missing or not allowed",
    ),
]


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str
    routes: int
    """Attempts to reach another machine."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Two regions with patients enough for every command, in a folder whose name is not ASCII."""
    folder = tmp_path_factory.mktemp("Röntgen")
    truth = write_demo_dump(folder, images=84, seed=7)
    labelled = [image for image in truth if image.given_region]
    rows = [(image.sop_instance_uid, "knee" if image.true_region < "k" else "hand") for image in labelled]
    _write_csv(folder / "labels.csv", [("sop_instance_uid", "region"), *rows])
    done = run("embed", folder / "dump", "--index", folder / "index", "--labels", folder / "labels.csv")
    return Site(folder / "dump", folder / "index", done)


def _write_csv(path: Path, rows: list[tuple[str, ...]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


def _arguments(command: str, site: Site, index: Path, place: Path) -> list[str]:
    """What makes `command` do its job on a copy of the site's index; it writes into a folder that is not there yet."""
    images = Index.open(site.index).images
    uid, path = (images[name][0].as_py() for name in ("image_id", "path"))
    _write_csv(place / "table.csv", [("image_id", "region"), (uid, "knee")])
    _write_csv(place / "names.csv", [("cluster", "region"), ("1", "hand")])
    _write_csv(place / "members.csv", [("image_id", "cluster"), (uid, "1")])
    out = place / "missing" / "out"
    words: dict[str, list[str | Path]] = {
        "embed": [site.dump],
        "find-label-issues": ["--out", out / "issues.csv", "--out", out / "issues.html"],
        "select": ["--budget", "4", "--out", out / "selected"],
        "label": [place / "table.csv"],
        "cluster": ["--clusters", "3", "--out", out / "clusters"],
        "label-clusters": [place / "names.csv"],
        "review": ["--port", "0"],
        "export": ["--out", out / "d.csv", "--cohort", out / "c.csv", "--dicom", out / "dicom"],
        "similar": [path, "--sheet", out / "sheet.png"],
        "classify": [path, "--out", out / "regions.csv"],
        "explain": [uid, "--out", out / "why.png"],
        "gauges": ["--sheet", out / "gauges.png"],
        "pretrain": ["--out", out / "e.safetensors", "--epochs", "1", "--batch-size", "16", "--view-size", "32"],
        "evaluate": ["--draws", "0", "--out", out / "evaluation", "--head-out", out / "heads" / "h.safetensors"],
        "report": ["--out", out / "report.html", "--tables", out / "tables"],
        "migrate": [],
        "remove": [uid],
        "merge": [site.index, index, "--out", out / "merged"],
        "demo": [out / "demo", "--images", "60"],
    }
    where = [] if command in ("demo", "merge") else ["--index", index]
    return [command, *map(str, [*words.get(command, []), *where])]


def run_on(
    command: str, site: Site, place: Path, *, setup: str = "true", environment: Mapping[str, str], ending: str = ""
) -> Ended:
    """Run one command, on a copy of the index, in namespaces after `setup`; the shell has `ending` behind it."""
    index = place / "index"
    shutil.copytree(site.index, index)
    script = f'{setup}; "$@" {ending}; code=$?; {COUNT_ROUTES}; exit $code'
    words = [*NAMESPACES, "sh", "-c", script, "sh", *PROGRAM, *_arguments(command, site, index, place)]
    around = {**environment, "ROUTES": str(place / "routes"), "INDEX": str(index), "PATH": os.environ["PATH"]}
    process = subprocess.Popen(
        words, env=around, cwd=place, stdout=subprocess.PIPE, stderr=subprocess.PIPE, process_group=0
    )
    said = b""
    if command == "review":  # it ends by Ctrl-C
        assert process.stderr is not None
        for line in process.stderr:
            said += line
            if b"Open the address" in line:
                os.kill(_child_of(process.pid), signal.SIGINT)
                break
    out, err = process.communicate(timeout=300)
    words = [text.decode(errors="replace") for text in (out, said + err)]
    return Ended(process.returncode, *words, int((place / "routes").read_text()))


def _child_of(shell: int) -> int:
    return int(Path(f"/proc/{shell}/task/{shell}/children").read_text().split()[0])


def run_all(
    site: Site, place: Path, *, setup: str = "true", environment: Mapping[str, str], ending: str = ""
) -> dict[str, Ended]:
    """Every command, two at a time."""

    def run_one(command: str) -> Ended:
        (place / command).mkdir()
        return run_on(command, site, place / command, setup=setup, environment=environment, ending=ending)

    commands = list(get_command(app).commands)  # type: ignore[attr-defined]
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(commands, pool.map(run_one, commands), strict=True))


def failures(ended: Mapping[str, Ended], allowed: Mapping[str, tuple[int, ...]]) -> dict[str, str]:
    """What the commands said that ended with another code than 0 or those `allowed`, or with a traceback."""
    return {
        command: f"code {one.code}: {one.err[-2000:]}"
        for command, one in ended.items()
        if one.code not in allowed.get(command, (0,)) or "Traceback" in one.err or CANARY.decode() in one.err
    }


def test_no_command_reaches_out_nor_needs_a_home_or_a_user_or_letters(site: Site, tmp_path: Path) -> None:
    """Without HOME, passwd entry, temporary folder; ASCII streams and file names; as a user, not in CI."""
    bare = {"TMPDIR": "/no/such/folder", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    ended = run_all(site, tmp_path, setup=NO_PASSWD, environment=bare)
    assert failures(ended, {"classify": (0, 1)}) == {}
    assert {command: one.routes for command, one in ended.items() if one.routes} == {}


def test_every_command_reads_an_index_on_a_read_only_disk_with_its_output_closed(site: Site, tmp_path: Path) -> None:
    setup = 'mount --bind "$INDEX" "$INDEX" && mount -o remount,ro,bind "$INDEX"'
    ended = run_all(site, tmp_path, setup=setup, environment={"HOME": str(tmp_path)}, ending=">&-")
    assert failures(ended, {"classify": (0, 1)} | dict.fromkeys(WRITERS, (2,))) == {}
    for command in WRITERS:
        assert "cannot be written" in ended[command].err.splitlines()[-1], command
    assert not (tmp_path / "intel").exists(), "OpenVINO's telemetry keeps an id in the home folder"


def test_the_network_is_watched(site: Site, tmp_path: Path) -> None:
    """The count of the tests above is not nought because nothing is counted."""
    script = "import socket; socket.socket().connect_ex(('192.0.2.1', 443))"
    words = [*NAMESPACES, "sh", "-c", f'"$@"; {COUNT_ROUTES}', "sh", sys.executable, "-c", script]
    subprocess.run(words, env={**os.environ, "ROUTES": str(tmp_path / "routes")}, check=True)
    assert int((tmp_path / "routes").read_text()) == 1


@pytest.mark.parametrize("command", ["info", "find-label-issues"])
def test_a_reader_that_stops_reading_costs_nothing(command: str, site: Site) -> None:
    words = [*PROGRAM, command, "--index", str(site.index), "--json"]
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(words, stdout=writing, stderr=subprocess.PIPE, text=True)
    os.close(writing)
    assert "Error" not in done.stderr
    assert done.returncode == 0


def test_a_full_disk_behind_standard_output_is_said_in_one_line(site: Site) -> None:
    with Path("/dev/full").open("wb") as full:
        words = [*PROGRAM, "info", "--index", str(site.index)]
        done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "No space left" in done.stderr


def test_every_number_that_a_command_takes_has_its_bounds() -> None:
    for name, command in get_command(app).commands.items():  # type: ignore[attr-defined]
        for option in command.params:
            if option.type_descriptor.annotation in (int, float):
                assert None not in (option.min, option.max), f"{name} {option.name}"


@pytest.mark.parametrize(
    "arguments",
    [
        ("find-label-issues", "--seed", "-1"),
        ("embed", ".", "--memory", "0"),
        ("embed", ".", "--timeout", "nan"),
        ("evaluate", "--folds", "100000"),
        ("find-label-issues", "--top", "99999999999999999999"),
        ("pretrain", "--out", "e.safetensors", "--temperature", "0"),
    ],
    ids=" ".join,
)
def test_a_number_out_of_bounds_is_bad_usage(arguments: tuple[str, ...], site: Site, tmp_path: Path) -> None:
    said = run(*arguments, "--index", site.index, code=2, cwd=tmp_path).stderr
    assert said.count("\n") == 1
    assert arguments[-2] in said


@pytest.mark.parametrize(
    "words", [("embed", ""), ("classify", ""), ("embed", ".", "--labels="), ("export", "--out", "")]
)
def test_an_empty_name_is_not_the_working_folder(words: tuple[str, ...], site: Site, tmp_path: Path) -> None:
    shutil.copy(next(path for path in site.dump.rglob("*.dcm")), tmp_path / "image.dcm")
    assert "is empty" in run(*words, "--index", tmp_path / "index", code=2, cwd=tmp_path).stderr
    assert [path.name for path in tmp_path.iterdir()] == ["image.dcm"]


def test_an_option_that_takes_one_value_is_not_taken_twice(site: Site, tmp_path: Path) -> None:
    said = run("classify", "--out", "a.csv", "--out=b.csv", "--index", site.index, code=2, cwd=tmp_path).stderr
    assert "--out is given twice" in said
    assert list(tmp_path.iterdir()) == []


def test_an_error_that_nobody_foresaw_is_one_line_without_its_text() -> None:
    code = (
        "import embedkit.cli.app as app, sys\n"
        "def info(): raise RuntimeError('CANARY^JANE')\n"
        "app.app.registered_commands.clear(); app.app.command()(info); app.app.command()(lambda: None)\n"
        "sys.argv = ['embedkit', 'info']; app.main()"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True)
    assert done.returncode == INTERNAL_ERROR
    assert done.stderr.count("\n") == 1
    assert "RuntimeError" in done.stderr
    assert CANARY.decode() not in done.stderr
