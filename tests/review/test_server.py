"""What the page asks for and sends, over the real server."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from embedkit.demo import write_demo_dump
from embedkit.dicom import load_content
from embedkit.dicom.reading import ReadingOptions, read_content
from embedkit.indexes import EmbedSettings, Index, embed
from embedkit.review import Decisions
from embedkit.review.originals import Originals
from embedkit.sources.folder import FoundFile

from ..indexes.conftest import TinyEncoder
from .conftest import Client, Server, Site, copy_site, sign_in


@pytest.fixture(scope="module")
def site(whole_site: Site, tmp_path_factory: pytest.TempPathFactory) -> Site:
    return copy_site(whole_site, tmp_path_factory.mktemp("read") / "site")


@pytest.fixture(scope="module")
def server(site: Site) -> Iterator[Server]:
    """One server for all: every test takes suspects that nobody decided on yet."""
    with Server(site, "--reviewer", "anna", "--reviewer", "ben") as started:
        yield started


def todo(client: Client) -> list[dict]:
    return [s for s in client.get("/api/queue").document["suspects"] if not s["own"] and not s["elsewhere"]]


def test_a_decision_is_kept_with_all_that_belongs_to_it(site: Site, server: Server) -> None:
    client = sign_in(server)
    suspect = todo(client)[0]
    answer = client.decide(suspect["row"], "out-of-domain", note="a phantom")
    assert answer.status == 200
    with Decisions.open(site.index) as decisions:
        made = decisions.history()[-1]
    assert made.number == answer.document["made"]
    assert (made.reviewer, made.verdict, made.note) == ("anna", "out-of-domain", "a phantom")
    image = Index.open(site.index).images.slice(suspect["row"], 1).to_pylist()[0]
    assert (made.image_id, made.prior) == (image["image_id"], image["region"])


def test_two_reviewers_at_once_and_one_press_sent_twice(site: Site, server: Server) -> None:
    clients = {name: sign_in(server, name) for name in ("anna", "ben")}
    rows = [suspect["row"] for suspect in todo(clients["anna"])][:6]
    with Decisions.open(site.index) as decisions:
        before = len(decisions.history())

    def read(name: str) -> None:
        for row in rows:
            for _ in range(2):  # the answer to the first got lost, say
                assert (
                    clients[name].decide(row, "skip" if name == "anna" else "unusable", press=f"{name}{row}").status
                    == 200
                )

    threads = [threading.Thread(target=read, args=(name,)) for name in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with Decisions.open(site.index) as decisions:
        assert len(decisions.history()) == before + 2 * len(rows)
    assert not {s["row"] for s in todo(clients["anna"])} & set(rows), "what ben read is read"


def test_a_second_reading_is_blind_and_gives_an_agreement(server: Server) -> None:
    anna, ben = sign_in(server, "anna"), sign_in(server, "ben")
    given = [suspect for suspect in todo(anna) if suspect["given"]][:4]
    for suspect, verdict in zip(given, ("keep", "keep", "unusable", "skip"), strict=True):
        assert anna.decide(suspect["row"], verdict).status == 200
    everything = ben.get("/api/queue?second=anna").document
    second = everything["suspects"][-3:]
    assert everything["readers"]["anna"] == len(everything["suspects"])
    assert [suspect["row"] for suspect in second] == [suspect["row"] for suspect in given[:3]]
    assert all(suspect["own"] is None for suspect in second), "the first reading is not told"
    before = ben.get("/api/agreement?with=anna").document
    for suspect, verdict in zip(second, ("keep", "unusable", "unusable"), strict=True):
        assert ben.decide(suspect["row"], verdict).status == 200
    found = ben.get("/api/agreement?with=anna").document
    assert (found["images"], found["agreed"]) == (before["images"] + 3, before["agreed"] + 2)
    assert ben.get("/api/agreement?with=nobody").document == {"images": 0, "agreed": 0, "kappa": None}


def test_undo_takes_back_ones_own(site: Site, server: Server) -> None:
    client = sign_in(server)
    row = todo(client)[0]["row"]
    made = client.decide(row, "unusable").document["made"]
    assert sign_in(server, "ben").post("/api/undo", {"number": made, "press": "b"}).status == 400
    assert client.post("/api/undo", {"number": made, "press": "a"}).document == {"row": row}
    assert todo(client)[0]["row"] == row


def test_details_name_neighbours_study_and_reasons(site: Site, server: Server) -> None:
    client = sign_in(server)
    images = Index.open(site.index).images.to_pylist()
    for suspect in todo(client)[:5]:
        details = client.get(f"/api/details/{suspect['row']}").document
        image = images[suspect["row"]]
        assert (details["uid"], details["given"], details["verbatim"]) == (
            image["image_id"],
            image["region"],
            image["given"],
        )
        assert details["why"]
        assert len(details["neighbours"]) == 5
        assert all(images[near["row"]]["region"] == near["region"] for near in details["neighbours"])
        study = {row for row, other in enumerate(images) if other["study_instance_uid"] == image["study_instance_uid"]}
        assert {other["row"] for other in details["siblings"]} == study - {suspect["row"]}
        assert client.get(f"/picture/{details['neighbours'][0]['row']}").body.startswith(b"\x89PNG")


def read_levels(client: Client, row: int) -> tuple[dict, np.ndarray]:
    answer = client.get(f"/radiograph/{row}")
    facts = json.loads(answer.headers["X-Radiograph"])
    pixels = facts["rows"] * facts["columns"]
    return facts, np.frombuffer(answer.body, "<u2", pixels).reshape(facts["rows"], facts["columns"])


def test_the_radiograph_is_the_original_at_full_size_and_depth(site: Site, server: Server) -> None:
    client = sign_in(server)
    images = Index.open(site.index).images.to_pylist()
    for row in (0, 7, 20):
        facts, levels = read_levels(client, row)
        options = ReadingOptions(target_side=None)
        (grey,) = read_content(load_content(FoundFile(Path(images[row]["path"])), options), options).frames
        assert levels.shape == grey.shape == (images[row]["rows"], images[row]["columns"])
        assert facts["notice"] == ""
        shown = np.rint(255 * np.clip((levels - facts["low"]) / (facts["high"] - facts["low"]), 0, 1))
        assert np.abs(shown - grey).max() <= 1
        assert len(np.unique(levels)) > 256 or len(np.unique(grey)) < 20


@pytest.mark.slow
def test_where_the_original_is_gone_or_changed_the_stored_picture_is_shown(tmp_path: Path) -> None:
    write_demo_dump(tmp_path / "old", images=4)
    embed([tmp_path / "old"], tmp_path / "index", encoders=[TinyEncoder()], settings=EmbedSettings(workers=1))
    index = Index.open(tmp_path / "index")
    paths = [Path(path) for path in index.images["path"].to_pylist()]
    paths[0].unlink()
    paths[1].write_bytes(paths[2].read_bytes())
    with Originals(index, workers=1) as originals:
        gone, changed, whole = (originals.read(row) for row in range(3))
    assert "cannot be read" in gone[1]
    assert "changed" in changed[1]
    assert whole[1] == ""
    assert (gone[0].levels == index.pictures([0])[0].astype(int) + 1).all()
    (tmp_path / "old" / "dump").rename(tmp_path / "moved")
    with Originals(index, tmp_path / "moved", workers=1) as originals:
        moved, notice = originals.read(2)
    assert notice == ""
    assert (moved.levels == whole[0].levels).all()
