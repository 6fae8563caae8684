"""What the codecs of our own save: `python benchmarks/codecs.py FILES`, a line a transfer syntax.

Each file is read by ``fast`` and by ``library`` codecs in turns, and the least CPU time of each counts. Reading is all
that `embed` does of a file before it cleans the picture: header, decoding, reduction, window.
"""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from pathlib import Path

from embedkit.dicom import ReadingOptions, load_content, read_content
from embedkit.dicom.codecs.choice import CODECS
from embedkit.dicom.codecs.compiled import CompiledDecoder
from embedkit.dicom.header import read_header
from embedkit.dicom.silence import silence
from embedkit.sources import FoundFile

_TURNS = 5


def main() -> None:
    """Print a line a transfer syntax: milliseconds a file with each, and their ratio."""
    CompiledDecoder.numba_is_there = True  # or a process meets some frames before it loads them
    milliseconds = defaultdict[str, list[list[float]]](list)
    for path in map(Path, sys.argv[1:]):
        milliseconds[_syntax(path)].append([1e3 * seconds for seconds in _read_in_turns(path)])
    for syntax, files in sorted(milliseconds.items()):
        fast, library = (sum(column) / len(files) for column in zip(*files, strict=True))
        print(
            f"{syntax:26} {len(files):4} files  fast {fast:7.1f} ms  library {library:7.1f} ms  {library / fast:5.2f}"
        )


def _syntax(path: Path) -> str:
    with silence():
        return read_header(path.read_bytes(), bare=False, max_inflated_bytes=1 << 30).transfer_syntax


def _read_in_turns(path: Path) -> list[float]:
    """The least CPU seconds by each of `CODECS`."""
    both = [ReadingOptions(codecs=codecs) for codecs in CODECS]
    content = load_content(FoundFile(path), both[0])
    least = [float("inf")] * len(both)
    for turn in range(_TURNS + 1):  # the first warms up
        for place, options in enumerate(both):
            start = time.process_time()
            read_content(content, options)
            least[place] = min(least[place], time.process_time() - start) if turn else least[place]
    return least


if __name__ == "__main__":
    main()
