"""Flips bytes of every file of an index, each in a forked child that then uses the index in every way.

    python -m tests.indexes.flipping DUMP INDEX STEP

flips every STEP-th byte, with the time of change kept and with a new one, and with files mapped and read. The parent
has imported everything and computed nothing, so that a child starts at once and may use all libraries; a child that a
signal ends is a crash. What came of it goes to stdout as JSON: counts by file and outcome, and all that is wrong.
"""

from __future__ import annotations

import json
import os
import pickle
import random
import shutil
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from embedkit.errors import EmbedkitError
from embedkit.indexes import EmbedSettings, Index, add_labels, checked_files, embed, search, verify
from embedkit.indexes.manifest import manifest_name
from embedkit.indexes.manifest_files import read_newest_manifest
from embedkit.labels.header import Label
from embedkit.workers import SerialExecutor

from .conftest import TinyEncoder

PRELOADED = (search,)
"""Imported here, so that no child has to."""
Answer = tuple[str, Any]


def read_all(folder: Path) -> Any:
    """Everything that a reader can ask for, and what it was told beside."""
    index = Index.open(folder)
    vectors = index.vectors("tiny")
    near = [array.tobytes() for array in index.nearest(vectors[:3] + 0.01, 4)]
    ids = index.images["image_id"].to_pylist()
    facts = [index.images.to_pydict(), index.rejected.to_pydict(), index.header_regions.to_pylist()]
    pictures = index.pictures(range(len(index))).tobytes()
    return facts, vectors.tobytes(), near, pictures, index.rows_of(ids).tolist(), index.similar(ids[1], 3)


def use(dump: Path, folder: Path) -> dict[str, Callable[[], Any]]:
    """What is done with an index, in this order."""

    def embed_again() -> None:
        settings = EmbedSettings(shard_files=4)
        embed([dump], folder, encoders=[TinyEncoder()], settings=settings, executor=SerialExecutor())

    def label() -> Any:
        ids = Index.open(folder).images["image_id"].to_pylist()
        add_labels(folder, {ids[0]: Label("foot", "Foot", "annotator")}, replace_labels=True)
        return read_all(folder)

    return {
        "read": lambda: read_all(folder),
        "notes": lambda: Index.open(folder).notes,
        "verify": lambda: bool(verify(folder)),
        "embed": embed_again,
        "read after embed": lambda: read_all(folder),
        "label": label,
    }


def answer(action: Callable[[], Any]) -> Answer:
    """The value, or the reason why there is none."""
    try:
        return "value", action()
    except EmbedkitError as error:
        return "error", error.reason
    except Exception as error:
        return "traceback", repr(error)


def in_child(dump: Path, whole: Path, harm: Callable[[Path], None]) -> dict[str, Answer]:
    """The answers of a copy of the index after `harm`, by action."""
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        with tempfile.TemporaryDirectory() as scratch, os.fdopen(write_end, "wb") as out:
            folder = Path(scratch) / "index"
            shutil.copytree(whole, folder)
            harm(folder)
            for name, action in use(dump, folder).items():
                pickle.dump((name, answer(action)), out)
                out.flush()
        os._exit(0)
    os.close(write_end)
    answers: dict[str, Answer] = {}
    with os.fdopen(read_end, "rb") as sent:
        while True:
            try:
                name, found = pickle.load(sent)
            except EOFError:
                break
            answers[name] = found
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status):
        answers["crash"] = "traceback", signal.Signals(os.WTERMSIG(status)).name
    return answers


def judge(truth: dict[str, Answer], found: dict[str, Answer], kind: str) -> dict[str, str]:
    """By action: same, error, noted (an earlier state, which a note says), found (by `verify`); or what is wrong."""
    notes = found.get("notes", ("value", []))
    fell_back = notes[0] == "value" and any("manifest-" in note for note in notes[1])
    outcome = {}
    for name in (*truth, *found.keys() - truth.keys()):
        what, value = found.get(name, ("error", "crashed before"))
        if name == "verify" and kind != checked_files.NOTE_NAME:
            outcome[name] = "found" if what == "error" or value is True else "not found"
        elif what == "traceback":
            outcome[name] = f"traceback {value}"
        elif name == "notes" or what == "error":
            outcome[name] = "error" if what == "error" else "same"
        else:
            same = (what, value) == truth[name]
            outcome[name] = "same" if same else "noted" if fell_back else "wrong"
    return outcome


def main(dump: Path, whole: Path, step: int) -> None:
    """Flip, and print what came of it."""
    truth = in_child(dump, whole, lambda _: None)
    manifest, rng = read_newest_manifest(whole), random.Random(3)
    counts: dict[str, Counter[str]] = {}
    wrong = []
    names = [manifest_name(manifest.number), *manifest.live_files()]
    for name in [*names, *([checked_files.NOTE_NAME] if (whole / checked_files.NOTE_NAME).exists() else [])]:
        kind = "".join(c for c in name if not c.isdigit())
        size = (whole / name).stat().st_size
        for place in sorted({*range(rng.randrange(min(step, size)), size, step), size - 1}):
            for kept in (True, False):
                mapped, bit = rng.random() < 0.5, 1 << rng.randrange(8)

                def harm(folder: Path) -> None:
                    if mapped:  # noqa: B023 (called at once)
                        checked_files.SMALL = checked_files.SETTLED_NS = 0
                    answer(lambda: read_all(folder))  # what was whole is noted
                    path = folder / name  # noqa: B023
                    status, data = path.stat(), bytearray(path.read_bytes())
                    data[place] ^= bit  # noqa: B023
                    with path.open("r+b") as file:
                        file.write(data)
                    changed = status.st_mtime_ns + (0 if kept else 10**9)  # noqa: B023
                    os.utime(path, ns=(changed, changed))

                for action, outcome in judge(truth, in_child(dump, whole, harm), kind).items():
                    counts.setdefault(kind, Counter())[outcome] += 1
                    if outcome not in ("same", "error", "noted", "found"):
                        wrong.append([name, place, bit, kept, mapped, action, outcome])
    sys.stdout.write(json.dumps({"counts": counts, "wrong": wrong}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
