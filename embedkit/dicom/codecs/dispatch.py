"""One codestream to an array: by its family's module, and by others where that one refuses.

The codestream decides, not the transfer syntax: files whose header names the wrong one of two JPEG processes are read
all the same. A new family is a module with a `decode` like the others', and a line in `_FAMILIES`. Frames that are no
codestreams are those of `native` and `rle`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.encaps import encapsulate
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID

from embedkit.dicom.codecs import htj2k, jpeg, jpeg_2000, jpeg_lossless, jpeg_ls
from embedkit.dicom.codecs.codestreams import Codestream, Coding
from embedkit.dicom.codecs.wanted import Wanted
from embedkit.dicom.layout import PixelLayout

Array = NDArray[np.integer]

_FAMILIES: dict[Coding, Callable[[bytes, Codestream, Wanted], Array]] = {
    "jpeg": jpeg.decode,
    "jpeg-lossless": jpeg_lossless.decode,
    "jpeg-ls": jpeg_ls.decode,
    "jpeg-2000": jpeg_2000.decode,
    "htj2k": htj2k.decode,
}


def decode_codestream(frame: bytes, stream: Codestream, wanted: Wanted) -> Array:
    """Decode with the first choice; a failure is any exception.

    Returns
    -------
    ndarray
        Integers (rows, columns) or, for colours that are left to the caller, (rows, columns, samples). Rows that are
        missing at the end of a stream are not filled in.
    """
    return _FAMILIES[stream.coding](frame, stream, wanted)


def decode_slowly(frame: bytes, layout: PixelLayout, transfer_syntax: str) -> Array:
    """Decode with pydicom and whatever plugins are installed: what `decode_codestream` gives, never reduced."""
    options: dict[str, Any] = {
        "transfer_syntax_uid": UID(transfer_syntax),
        "rows": layout.rows,
        "columns": layout.columns,
        "samples_per_pixel": layout.samples,
        "planar_configuration": int(layout.planar),
        "number_of_frames": 1,
        "bits_allocated": layout.bits_allocated,
        "bits_stored": layout.bits_stored,
        "pixel_representation": int(layout.signed),
        "photometric_interpretation": layout.photometric,
        "pixel_keyword": "PixelData",
    }
    decoded, _ = get_decoder(transfer_syntax).as_array(encapsulate([frame]), raw=True, **options)
    return np.asarray(decoded)
