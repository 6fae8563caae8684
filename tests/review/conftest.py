"""A small site: a synthetic dump, its index, and the review server as a process of its own."""

from __future__ import annotations

import http.client
import json
import re
import shutil
import signal
import ssl
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import pydicom
import pytest

from embedkit.demo import write_demo_dump
from embedkit.dicom.silence import silence
from embedkit.indexes import EmbedSettings, Index, embed
from embedkit.quality import find_label_issues

from ..indexes.conftest import TinyEncoder

NASTY = "<b>HAND</b>"
CANARY = "CANARY^JANE"


@dataclass(frozen=True)
class Site:
    folder: Path

    @property
    def dump(self) -> Path:
        return self.folder / "dump"

    @property
    def index(self) -> Path:
        return self.folder / "index"

    @property
    def issues(self) -> Path:
        return self.folder / "issues.csv"


@pytest.fixture(scope="session")
def whole_site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    site = Site(tmp_path_factory.mktemp("site"))
    write_demo_dump(site.folder, images=60)
    first = sorted(path for path in site.dump.rglob("IM*") if path.is_file())[0]
    with silence():
        dataset = pydicom.dcmread(first)
        dataset.PatientName, dataset.BodyPartExamined = CANARY, NASTY
        dataset.save_as(first)
    settings = EmbedSettings(workers=1)
    embed([site.dump], site.index, encoders=[TinyEncoder()], settings=settings)
    find_label_issues(Index.open(site.index), all_images=True).write_csv(site.issues)
    return site


def copy_site(whole: Site, folder: Path) -> Site:
    """A copy of the index with no decision yet; the dump is shared."""
    shutil.copytree(whole.index, folder / "index")
    shutil.copy(whole.issues, folder / "issues.csv")
    (folder / "dump").symlink_to(whole.dump)
    return Site(folder)


@pytest.fixture
def site(whole_site: Site, tmp_path: Path) -> Site:
    return copy_site(whole_site, tmp_path / "site")


class Server:
    """`embedkit review` in a process of its own."""

    def __init__(self, site: Site, *options: object, ranked: bool = True) -> None:
        """Start it on the issues that were `ranked` before; else it ranks by itself, and again as decisions come."""
        command = [sys.executable, "-P", "-c", "from embedkit.cli import main; main()", "review"]
        places = ["--index", site.index, *(["--issues", site.issues] if ranked else [])]
        self._process = subprocess.Popen(
            [*command, *map(str, [*places, *options])], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self._process.stdout
        self.said = ""
        self.addresses: dict[str, str] = {}
        while line := self._process.stdout.readline():
            self.said += line
            name, _, address = line.strip().partition(": ")
            self.addresses[name] = address
            if len(self.addresses) >= max(1, options.count("--reviewer")):
                break
        if not self.addresses:
            raise AssertionError(self._process.communicate()[1])
        self.place = urlsplit(next(iter(self.addresses.values())))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end(signal.SIGINT)

    def end(self, how: int) -> tuple[int, str]:
        """Send a signal; return the exit status and everything that the command said."""
        if self._process.returncode is None:
            self._process.send_signal(how)
            rest, notes = self._process.communicate(timeout=20)
            self.said += rest + notes
        return self._process.returncode, self.said

    def path(self, name: str) -> str:
        """The reviewer's own path, without the slash at its end."""
        return urlsplit(self.addresses[name]).path.rstrip("/")

    def token(self, name: str) -> str:
        return urlsplit(self.addresses[name]).query.removeprefix("token=")


@dataclass(frozen=True)
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)


class Client:
    """Speaks HTTP to the server under a reviewer's path, as a browser would or as one must not."""

    def __init__(self, server: Server, cookie: str = "", name: str = "") -> None:
        self.server, self.cookie = server, cookie
        self.path = server.path(name or next(iter(server.addresses)))

    def send(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        place = self.server.place
        if place.scheme == "https":
            trusting = ssl.create_default_context()
            trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
            line: http.client.HTTPConnection = http.client.HTTPSConnection("127.0.0.1", place.port, context=trusting)
        else:
            line = http.client.HTTPConnection("127.0.0.1", place.port, timeout=20)
        sent = {"Host": place.netloc, "Cookie": self.cookie} | {k.replace("_", "-"): v for k, v in headers.items()}
        try:
            line.putrequest(method, self.path + path, skip_host=True)
            for name, value in sent.items():
                if value:
                    line.putheader(name, value)
            if body is not None:
                line.putheader("Content-Length", str(len(body)))
            line.endheaders(body)
            answer = line.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            line.close()

    def get(self, path: str, **headers: str) -> Answer:
        return self.send("GET", path, **headers)

    def post(self, path: str, document: object, **headers: str) -> Answer:
        place = self.server.place
        usual = {"Origin": f"{place.scheme}://{place.netloc}", "Content_Type": "application/json"}
        return self.send("POST", path, json.dumps(document).encode(), **(usual | headers))

    def decide(self, row: int, verdict: str, region: str = "", note: str = "", press: str = "") -> Answer:
        sent = {"row": row, "verdict": verdict, "region": region, "note": note, "since": 0}
        return self.post("/api/decide", sent | {"press": press or f"{row} {verdict} {region}"})


def sign_in(server: Server, name: str = "anna") -> Client:
    answer = Client(server, name=name).get(f"/?token={server.token(name)}")
    assert answer.status == 200
    cookie = re.match(r"[^;]+", answer.headers["Set-Cookie"])
    assert cookie
    return Client(server, cookie[0], name)
