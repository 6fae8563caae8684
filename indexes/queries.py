"""What is looked for among the images of an index: embedded where it is none of them; and what is found."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from embedkit.errors import UsageError
from embedkit.tables import Table

if TYPE_CHECKING:
    from embedkit.encoder import Encoder
    from embedkit.indexes.index import Index


@dataclass(frozen=True)
class Neighbour:
    """One image near to a query."""

    row: int
    """Its row in `Index.images`."""
    image_id: str
    path: str
    region: str
    distance: float
    """(1 - cosine) / 2: 0 the same direction, 1 the opposite one."""


class Neighbours(Table[Neighbour]):
    """Images near to a query, nearest first."""

    __slots__ = ()
    row_type = Neighbour


class Queries:
    """Embeds what is no image of an index, by the encoders of its spaces, each loaded once."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._encoders: dict[str, Encoder] = {}

    def embed(
        self, query: str | Path | NDArray[np.generic], space: str | None, encoder: str | Path | Encoder | None
    ) -> NDArray[np.float32]:
        """Return the embedding, float32 (d,), of what is no image of the index; see `Index.similar`."""
        from embedkit.indexes.encoding import encode  # noqa: PLC0415
        from embedkit.indexes.loose_images import clean_array, read_image  # noqa: PLC0415 (decoders: 0.3 s)

        if isinstance(query, str | Path):
            if not Path(query).is_file():
                message = "neither a file nor the id or path of an image of this index; see its rejected files"
                raise UsageError("unknown-image", f"{query}: {message}")
            picture = read_image(Path(query)).picture
        elif query.ndim == 1:
            return np.asarray(query, np.float32)
        else:
            picture = clean_array(query)
        made_by = self._encoder(self._index.space_name(space), encoder)
        return np.asarray(encode(made_by, picture[None])[0], np.float32)

    def _encoder(self, space: str, encoder: str | Path | Encoder | None) -> Encoder:
        """Return what made the space, loaded once; raises as `Index.similar`."""
        from embedkit.indexes.encoders import encoder_of  # noqa: PLC0415

        if encoder is not None or space not in self._encoders:
            self._encoders[space] = encoder_of(self._index, space, encoder)
        return self._encoders[space]
