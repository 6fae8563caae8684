"""The walk over a dump."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

import pytest

from embedkit.errors import UsageError
from embedkit.sources import find_files


def names(root: Path, *sources: Path) -> list[tuple[str, str]]:
    return [(str(found.path.relative_to(root)), found.reason) for found in find_files(sources or [root])]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = (tmp_path / "root").resolve()
    for name in ("b/2", "b/10", "a/x/deep", "a/y", "c"):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return root


def test_depth_first_and_sorted(root):
    expected = [("a/x/deep", ""), ("a/y", ""), ("b/10", ""), ("b/2", ""), ("c", "")]
    assert names(root) == expected
    assert names(root) == expected


def test_size_and_time(root):
    (found,) = find_files([root / "c"])
    status = (root / "c").stat()
    assert (found.path, found.size, found.mtime_ns) == (root / "c", 1, status.st_mtime_ns)


def test_what_is_no_regular_file_is_reported_and_not_followed(root):
    (root / "link").symlink_to(root / "c")
    (root / "loop").symlink_to(root)
    (root / "dangling").symlink_to(root / "nowhere")
    os.mkfifo(root / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(root / "socket"))
        special = [name for name, reason in names(root) if reason == "not-a-regular-file"]
    assert special == ["dangling", "link", "loop", "pipe", "socket"]
    assert len(names(root)) == 10


def test_a_source_may_be_a_link_to_a_folder(root, tmp_path):
    (tmp_path / "alias").symlink_to(root)
    assert names(root, tmp_path / "alias") == names(root)


def test_overlapping_sources_give_each_file_once(root, tmp_path):
    (tmp_path / "alias").symlink_to(root / "a")
    found = names(root, root / "a" / "x", root / "c", tmp_path / "alias", root / "a", root / "c", root)
    assert found == names(root)
    assert len(found) == len(set(found))


def test_sources_keep_their_order(root):
    assert names(root, root / "b", root / "a") == [("b/10", ""), ("b/2", ""), ("a/x/deep", ""), ("a/y", "")]


def test_a_missing_source(root):
    with pytest.raises(UsageError) as error:
        find_files([root, root / "absent"])
    assert error.value.reason == "source-not-found"


def test_names_that_are_not_utf8(root):
    odd = os.fsdecode(os.fsencode(root) + b"/\xff\xfe")
    Path(odd).write_bytes(b"x")
    assert [found.path for found in find_files([root])][-1] == Path(odd)
    with pytest.raises(UsageError) as error:
        find_files([Path(odd + "absent")])
    str(error.value).encode()


@pytest.fixture
def bottomless(tmp_path):
    """A folder that Python's own rmtree cannot take away again, so pytest must never meet it."""
    folder = tmp_path / "bottomless"
    folder.mkdir()
    yield folder
    subprocess.run(["rm", "-rf", os.fspath(folder)], check=True)


def test_nested_deeper_than_python_may_recurse(bottomless):
    here = os.open(bottomless, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("d", dir_fd=here)
        deeper = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = deeper
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)
    (found,) = find_files([bottomless])
    assert found.path.name == "file"


@pytest.mark.parametrize("lists", [True, False])
def test_folders_that_cannot_be_read(root, monkeypatch, lists):
    """As root nothing is unreadable, so the system's answer is put in its mouth."""
    blocked, original = root / "a" / "x", os.scandir if lists else Path.lstat

    def refuse(path, *arguments, **options):
        if os.fspath(path) == str(blocked):
            raise PermissionError(13, "Permission denied")
        return original(path, *arguments, **options)

    monkeypatch.setattr(os if lists else Path, "scandir" if lists else "lstat", refuse)
    assert ("a/x", "unreadable") in names(root)
    assert len(names(root)) == 5
