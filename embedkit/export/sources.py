"""The headers of original files, read within the same limits as when they were embedded."""

from __future__ import annotations

from pathlib import Path

from embedkit.dicom import ReadingOptions, load_content
from embedkit.dicom.header import Header, read_header
from embedkit.dicom.kinds import FileKind, kind_of
from embedkit.dicom.silence import silence
from embedkit.errors import RejectedFile
from embedkit.indexes import Index
from embedkit.review.originals import find_item, is_content, is_there


def read_source(index: Index, row: int, root: Path | None = None) -> Header:
    """Read the header of the original DICOM file of a row of `Index.images`; `root` as for `find_original`.

    Raises
    ------
    RejectedFile
        ``original-gone`` where the file is not there, ``changed-file`` where its content is another one,
        ``not-dicom``, or as `load_content` and `read_header` do.
    """
    path, digest = (index.images[name][row].as_py() for name in ("path", "content_blake3"))
    options = ReadingOptions()
    original = find_item(index, path, root)
    if original.source is None and not is_there(original.path):
        raise RejectedFile("original-gone")
    content = load_content(original, options)
    if not is_content(content, digest):
        raise RejectedFile("changed-file")
    kind = kind_of(content.data)
    if kind not in {FileKind.DICOM, FileKind.BARE_DICOM}:
        raise RejectedFile("not-dicom")
    with silence():
        bare = kind is FileKind.BARE_DICOM
        return read_header(content.data, bare=bare, max_inflated_bytes=options.max_pixel_bytes)
