"""An index that lives in memory: three regions as clusters of vectors, and pictures with structure and fine detail."""

import copy
from types import SimpleNamespace

import cv2
import numpy as np
import pyarrow as pa
import pytest

from embedkit.image import encode_picture

REGIONS = ("foot", "hand", "knee", "shoulder", "pelvis/hip")


def draw_exposure(seed):
    """A picture, uint8 (256, 256), of shapes of all sizes on a black surround."""
    rng = np.random.default_rng(seed)
    grey = np.zeros((200, 180), np.float32)
    for side, strength in ((4, 60), (12, 25), (40, 14), (100, 6)):
        field = rng.normal(0, strength, (side, side)).astype(np.float32)
        grey += cv2.resize(field, (180, 200), interpolation=cv2.INTER_CUBIC)
    picture = np.zeros((256, 256), np.uint8)
    picture[28:228, 38:218] = np.clip(grey + 120, 15, 250)
    return picture


def draw_blank(seed):
    """A blank plate after its values were stretched over the full range: noise, on a black surround."""
    noise = np.random.default_rng(seed).normal(128, 45, (350, 315))
    picture = np.zeros((256, 256), np.uint8)
    picture[28:228, 38:218] = np.clip(cv2.resize(noise, (180, 200), interpolation=cv2.INTER_AREA), 0, 255)
    return picture


class MemoryIndex:
    """What `find_label_issues` needs of an index."""

    def __init__(self, regions, vectors, patients, pictures, sources=None):
        names = [f"1.2.826.{number}" for number in range(len(regions))]
        self.images = pa.table(
            {
                "image_id": names,
                "sop_instance_uid": names,
                "path": [f"/dump/{number}.dcm" for number in range(len(regions))],
                "region": list(regions),
                "region_source": list(sources) if sources else ["csv" if region else "" for region in regions],
                "patient": list(patients),
                "study_instance_uid": [f"study of {patient}" if patient else "" for patient in patients],
                "notes": pa.array([[]] * len(regions), pa.list_(pa.string())),
                "laterality": [""] * len(regions),
                "view": [""] * len(regions),
                "rows": pa.array([2000] * len(regions), pa.int32()),
                "columns": pa.array([1500] * len(regions), pa.int32()),
            }
        )
        self.spaces = {"simclr": SimpleNamespace(encoder="0" * 64, preprocessing="1")}
        self._vectors, self._pictures = vectors, pictures

    def __len__(self):
        return self.images.num_rows

    def with_regions(self, regions):
        other = copy.copy(self)
        other.images = self.images.set_column(self.images.column_names.index("region"), "region", regions)
        return other

    def space_name(self, space=None):
        return space or "simclr"

    def vectors(self, space=None):
        return self._vectors

    def pictures(self, rows):
        return self._pictures[np.asarray(rows, np.int64)]

    def stored_pictures(self, rows):
        return [encode_picture(picture) for picture in self.pictures(rows)]

    def rows_of(self, image_ids):
        return np.array([int(name.rsplit(".", 1)[1]) for name in image_ids], np.int64)


class Archive:
    """160 images of five regions with planted faults; `truth` says which row has which."""

    def __init__(self, seed=0):
        rng = np.random.default_rng(seed)
        count = 160
        region = rng.integers(0, len(REGIONS), count)
        self.region = np.array(REGIONS)[region]
        vectors = rng.normal(size=(6, 32))[region] + rng.normal(0, 0.35, (count, 32)) + 1
        given = self.region.astype(object)
        rows = rng.permutation(count)
        self.wrong, self.out_of_domain, self.blank, self.twin, self.missing = np.split(rows[:44], [10, 24, 27, 30])
        for row in self.wrong:
            given[row] = rng.choice([name for name in REGIONS if name != given[row]])
        vectors[self.out_of_domain] = rng.normal(size=32) * 1.2 + rng.normal(0, 0.35, (len(self.out_of_domain), 32)) + 1
        given[self.out_of_domain] = rng.choice(REGIONS, len(self.out_of_domain))
        given[self.missing] = ""
        pictures = np.stack([draw_exposure(1000 * seed + number) for number in range(count)])
        patients = np.array([f"p{number}" for number in range(count)], dtype=object)
        self.original = rows[44 : 44 + len(self.twin)]
        for twin, row in zip(self.twin, self.original, strict=True):
            turn = cv2.getRotationMatrix2D((128, 128), 3, 1)
            pictures[twin] = cv2.convertScaleAbs(cv2.warpAffine(pictures[row], turn, (256, 256)), alpha=0.9)
            vectors[twin] = vectors[row] * (1 + rng.normal(0, 0.01, 32))
            given[twin], self.region[twin], patients[twin] = given[row], self.region[row], patients[row]
        for row in self.blank:
            pictures[row] = draw_blank(row)
        self.pictures = pictures
        self.index = MemoryIndex(given, vectors.astype(np.float32), patients, pictures)


@pytest.fixture(scope="session")
def archive():
    return Archive()
