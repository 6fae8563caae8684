"""What a head says of files and of images of an index, a row each: the region, and whether a person must look.

It fails closed: what cannot be read, is incomplete, is out of the domain or not confident is never `trusted`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from embedkit.errors import UsageError
from embedkit.heads import Ensemble
from embedkit.image import PREPROCESSING_VERSION, PreparationOptions
from embedkit.indexes import Index
from embedkit.indexes.encoders import find_encoder
from embedkit.indexes.loose_images import LooseImage, read_images
from embedkit.indexes.paths import path_text
from embedkit.quality.classification import Classification, classify, classify_index
from embedkit.reasons import INCOMPLETE
from embedkit.tables import Table

if TYPE_CHECKING:
    from embedkit.encoder import Encoder

_AT_ONCE = 512


@dataclass(frozen=True)
class Verdict:
    """What a head says of one image, or why there is nothing to say of a file."""

    image_id: str
    path: str
    given_region: str
    """As its label says; "" for none."""
    region: str
    probability: float
    """Of `region`, to four digits."""
    in_domain: bool
    """Whether any region of the head fits; where none does, `region` means nothing."""
    confident: bool
    """Whether all of the image was read, and `region` is right 99 times of 100 at such a probability."""
    reason: str = ""
    """Why the file has no image, and so no region; else ""."""

    @property
    def trusted(self) -> bool:
        """Whether no person need look."""
        return self.in_domain and self.confident


class Verdicts(Table[Verdict]):
    """Verdicts on images, and the files that have none."""

    __slots__ = ()
    row_type = Verdict


def classify_files(
    head: Ensemble,
    sources: Sequence[Path],
    *,
    encoders: Sequence[str | Encoder] = (),
    reading: PreparationOptions | None = None,
    workers: int | None = None,
    spell: Callable[[Path], str] = path_text,
) -> Verdicts:
    """Classify the images of files and folders, in the order of `embed`; `encoders` are those that are not shipped.

    `spell` says how a path is told: hashed, by an index that hashes paths.

    Raises
    ------
    UsageError
        ``no-image`` where there is no file: nothing must pass for a sure thing. ``source-not-found``.
    EncoderError
        ``encoder-mismatch``, or ``head-of-another-encoder``.
    """
    head.check_encoders(head.spaces, str(PREPROCESSING_VERSION))
    loaded = {name: find_encoder(name, digest, encoders) for name, digest in head.spaces.items()}
    found: list[Verdict] = []
    files = read_images(sources, reading, workers)
    while part := list(islice(files, _AT_ONCE)):
        images = [item for item in part if isinstance(item, LooseImage)]
        verdicts = _judge_images(head, loaded, images, spell) if images else iter(())
        for item in part:
            if isinstance(item, LooseImage):
                found.append(next(verdicts))
            else:
                found.append(Verdict("", spell(item[0]), "", "", 0.0, False, False, item[1]))
    if not found:
        raise UsageError("no-image", f"{', '.join(map(str, sources))}: there is no file to classify")
    return Verdicts(found)


def classify_rows(head: Ensemble, index: Index, rows: npt.NDArray[np.int64]) -> Verdicts:
    """Classify the images `rows`, int64 (N,), of an index; raises as `classify_index`."""
    facts = index.images.select(["image_id", "path", "region"]).take(rows)
    complete = [INCOMPLETE.isdisjoint(notes) for notes in index.images["notes"].take(rows).to_pylist()]
    told = (column.to_pylist() for column in facts.columns)
    verdicts = _judge(list(zip(*told, strict=True)), complete, classify_index(index, rows, head))
    return Verdicts(verdicts)


def _judge_images(
    head: Ensemble, encoders: dict[str, Encoder], images: Sequence[LooseImage], spell: Callable[[Path], str]
) -> Iterator[Verdict]:
    pictures = np.stack([image.picture for image in images])
    vectors = {name: encoder.encode(pictures) for name, encoder in encoders.items()}
    facts = [(image.image_id, spell(image.path), image.region) for image in images]
    return _judge(facts, [image.complete for image in images], classify(head, vectors, pictures))


def _judge(facts: Sequence[tuple[str, str, str]], complete: Sequence[bool], found: Classification) -> Iterator[Verdict]:
    """Yield the verdict on each image, of its id, path and given region."""
    confident = (found.confident & np.asarray(complete, bool)).tolist()
    columns = (found.regions, found.probability.round(4).tolist(), found.in_domain.tolist(), confident)
    for fact, region, probability, in_domain, sure in zip(facts, *columns, strict=True):
        yield Verdict(*fact, region, probability, in_domain, sure)
