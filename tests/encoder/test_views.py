"""Vectors of several views of a picture: what they are the mean of, and that they mix with no others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from embedkit.encoder import load_encoder, shipped_encoders
from embedkit.encoder.views import encode_views, views_of
from embedkit.encoder.weights import read_encoder
from embedkit.pretraining import PretrainingSettings, TrainingSet, pretrain

Pictures = NDArray[np.uint8]


@pytest.fixture
def pictures() -> Pictures:
    return np.random.default_rng(0).integers(0, 256, (3, 256, 256), dtype=np.uint8)


def test_a_vector_is_the_mean_of_those_of_its_views_at_length_1(pictures: Pictures) -> None:
    def encode(seen: Pictures) -> NDArray[np.float32]:
        return seen[:, :2, 0].astype(np.float32)

    expected = np.zeros((3, 2))
    for view in views_of(pictures):
        vectors = encode(view).astype(float)
        expected += vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-30) / 4
    assert np.allclose(encode_views(encode, pictures), expected, atol=1e-6)


def test_the_views_are_the_picture_its_mirror_image_and_two_sizes() -> None:
    picture = np.zeros((1, 256, 256), np.uint8)
    picture[0, 100:140, 80:140] = 200
    plain, mirrored, larger, smaller = (view[0] for view in views_of(picture))
    assert np.array_equal(plain, picture[0])
    assert np.array_equal(mirrored, picture[0, :, ::-1])
    areas = [np.count_nonzero(view > 100) / (40 * 60) for view in (larger, smaller)]
    assert areas == pytest.approx([1.12**2, 0.9**2], rel=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["auto", "torch-cpu"])
def test_views_of_a_shipped_encoder_resemble_its_vectors_and_do_not_mix_with_them(
    pictures: Pictures, runtime: str
) -> None:
    plain, views = (load_encoder(name, "fp32", runtime) for name in ("simclr", "simclr-views"))
    assert (views.name, views.input_size) == ("simclr-views", 208)
    assert views.digest != plain.digest
    vectors = views.encode(pictures)
    assert np.array_equal(views.encode(pictures[1:2]), vectors[1:2])  # whichever pictures stand beside it
    near = plain.encode(pictures)
    cosines = (vectors * near).sum(axis=1) / np.linalg.norm(vectors, axis=1) / np.linalg.norm(near, axis=1)
    assert (cosines > 0.5).all()


def test_every_shipped_encoder_has_its_views() -> None:
    names = shipped_encoders()
    assert {f"{name}-views" for name in names if not name.endswith("-views")} < set(names)
    assert len({read_encoder(name).sha256 for name in names}) == len(names)


@pytest.mark.slow
def test_an_encoder_trained_from_one_with_views_looks_once(pictures: Pictures, tmp_path: Path) -> None:
    settings = PretrainingSettings(epochs=1, batch_size=3, view_size=32, start="simclr-views")
    trained = pretrain(TrainingSet.unlabelled(pictures), settings, tmp_path / "checkpoint")
    assert not trained.config.views
