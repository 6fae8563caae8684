import numpy as np
import pytest

from embedkit.errors import UsageError
from embedkit.report import project

from .maps import MapIndex


def neighbours_alike(points, true):
    apart = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    return float(np.mean(true[apart.argmin(axis=1)] == true))


@pytest.mark.slow
@pytest.mark.parametrize("projection", ["umap", "tsne"])
def test_images_of_a_region_lie_together_and_the_seed_fixes_the_map(projection):
    index = MapIndex(120)
    points = project(index.vectors(), projection, seed=3)
    assert points.shape == (120, 2)
    assert points.dtype == np.float32
    assert neighbours_alike(points, index.true) > 0.95
    assert np.array_equal(points, project(index.vectors(), projection, seed=3))


@pytest.mark.slow
def test_beyond_the_sample_an_image_goes_where_its_neighbours_are():
    index, told = MapIndex(150), []
    points = project(index.vectors(), "tsne", fitted=60, on_progress=lambda done, of: told.append((done, of)))
    assert neighbours_alike(points, index.true) > 0.95
    assert told == [(0, 150), (60, 150), (150, 150)]


@pytest.mark.slow
@pytest.mark.parametrize("count", [0, 1, 2, 3, 7, 8, 9, 16])
@pytest.mark.parametrize("projection", ["umap", "tsne"])
def test_few_images_are_a_map_too(count, projection):
    points = project(MapIndex(20).vectors()[:count], projection)
    assert points.shape == (count, 2)
    assert np.isfinite(points).all()


@pytest.mark.slow
@pytest.mark.parametrize("projection", ["umap", "tsne"])
def test_images_all_alike_are_a_map_too(projection):
    assert np.isfinite(project(np.ones((30, 8), np.float32), projection)).all()


def test_another_projection_is_refused():
    with pytest.raises(UsageError, match="umap or tsne"):
        project(np.ones((3, 4), np.float32), "pca")
