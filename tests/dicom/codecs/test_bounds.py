"""The fuzz tests of the compiled decoders once more, with every index held against its array."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from embedkit.dicom import codecs

from ...conftest import REPOSITORY

FUZZED = "damaged or any_bytes or guesses or flat_area or small_shapes"
PROGRAM = """
import sys
import numpy as np
import pytest
from embedkit.dicom.codecs.bit_stream import U, look_ahead
for word in (3, 2 ** 57):
    with pytest.raises(IndexError):  # or indices are not checked
        look_ahead(np.zeros(4, np.uint64), U(64 * word))
sys.exit(pytest.main(sys.argv[1:]))
"""


@pytest.mark.slow
def test_no_kernel_looks_outside_its_arrays(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    """In a process and with a cache of their own: what is compiled so is slower, and must not be found by others."""
    (folder,) = codecs.__path__
    sources = [Path(folder) / f"{name}.py" for name in ("bit_stream", "jpeg_ls_kernel", "jpeg_lossless_kernel")]
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:16]
    kept = getattr(pytestconfig, "cache", None)
    compiled = kept.mkdir(f"numba-boundscheck-{digest}") if kept else tmp_path
    fuzzed = [f"tests/dicom/codecs/test_{name}.py" for name in ("jpeg_ls", "jpeg_lossless")]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "-q", "-p", "no:cacheprovider", "-k", FUZZED, *fuzzed],
        env=os.environ | {"NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(compiled)},
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
