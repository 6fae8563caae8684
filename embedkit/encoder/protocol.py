"""What an encoder is to the rest of the house: one's own needs no more than this."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Encoder(Protocol):
    """Maps pictures to the vectors of one space.

    Vectors of encoders that differ in anything that stands here do not mix in a space.
    """

    @property
    def name(self) -> str:
        """The name of the space: a to z, 0 to 9, - and _."""

    @property
    def digest(self) -> str:
        """What tells its weights from any other ones, such as their SHA-256 in hex."""

    @property
    def dimension(self) -> int:
        """Numbers of a vector."""

    @property
    def runtime(self) -> str:
        """What computes, such as ``openvino``."""

    @property
    def precision(self) -> str:
        """In what, such as ``fp32``."""

    @property
    def input_size(self) -> int:
        """Side in pixels that a picture is brought to before it is encoded."""

    @property
    def method(self) -> str:
        """How it was trained, such as ``simclr``; "" where that is not known."""

    @property
    def labels_seen(self) -> bool | None:
        """Whether labels were used for that: then its vectors may repeat wrong ones. None where it is not known."""

    def encode(self, pictures: NDArray[np.uint8], /) -> NDArray[np.float32]:
        """Map pictures uint8 (N, 256, 256) to vectors float32 (N, `dimension`), not normalised.

        The vector of a picture must not depend on the pictures beside it: pad batches to one size.
        """
