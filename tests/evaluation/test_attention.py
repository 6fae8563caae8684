import numpy as np
import pytest

from embedkit.errors import UsageError
from embedkit.evaluation.attention import compare_attention, measure_attention, share_of
from embedkit.evaluation.planting import PLANTED, plant
from embedkit.heads.attribution import Attribution
from embedkit.report.attention import ATTENTION_COLUMNS, attention_markdown, attention_rows, draw_attention


@pytest.fixture(scope="module")
def pictures():
    """Films of different sizes on black."""
    rng = np.random.default_rng(0)
    grey = np.zeros((24, 256, 256), np.uint8)
    for number, film in enumerate(grey):
        low, high = 5 + number, 250 - 2 * number
        film[low:high, 10:200] = rng.integers(40, 160, (high - low, 190))
    return grey


class Looker:
    """Looks at each pixel by a weight, and names a region by the brightest pixel."""

    def __init__(self, weigh):
        self.weigh = weigh

    def explain(self, pictures):
        guided = np.array([self.weigh(picture.astype(np.float32)) for picture in pictures], np.float32)
        regions = tuple("knee" if picture.max() > 200 else "hand" for picture in pictures)
        return Attribution(regions, np.ones(len(pictures), np.float32), guided, guided)


EVERYWHERE, AT_WHITE = Looker(np.ones_like), Looker(lambda picture: np.maximum(picture - 165, 0))


@pytest.mark.parametrize("what", PLANTED)
def test_what_is_planted_is_bright_where_it_is_said_to_be_and_nothing_else_changes(what, pictures):
    planted = plant(pictures, what, seed=4)
    assert (planted.pictures >= pictures).all()
    assert ((planted.pictures == pictures) | planted.place).all()
    rise = planted.pictures.astype(int) - pictures
    assert (rise.max(axis=(1, 2)) > 60).all()
    assert 0 < planted.place.mean(axis=(1, 2)).max() < 0.3
    assert np.array_equal(plant(pictures, what, seed=4).pictures, planted.pictures)
    assert not np.array_equal(plant(pictures, what, seed=5).pictures, planted.pictures)


def test_a_gauge_is_round_and_whole(pictures):
    for place in plant(np.zeros_like(pictures), "gauge").place:
        rows, columns = np.nonzero(place)
        height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
        assert abs(height - width) <= 1
        assert place.sum() == pytest.approx(np.pi / 4 * height * width, rel=0.1)


def test_a_border_runs_along_the_film(pictures):
    planted = plant(pictures, "border")
    for number, place in enumerate(planted.place):
        low, high = 5 + number, 250 - 2 * number
        assert place[low, 10:200].all()
        assert place[high - 1, 10:200].all()
        assert place[low:high, [10, 199]].all()
        assert not place[(low + high) // 2, 60:150].any()


def test_nothing_can_be_planted_round_a_blank_picture():
    assert not plant(np.zeros((1, 256, 256), np.uint8), "border").place.any()


def test_shares_are_those_of_a_loop():
    rng = np.random.default_rng(0)
    guided, place = rng.random((5, 8, 8), np.float32), rng.random((5, 8, 8)) < 0.3
    guided[4] = 0
    found = Attribution(("knee",) * 5, np.ones(5, np.float32), guided, guided)
    naive = [
        sum(guided[n, y, x] for y in range(8) for x in range(8) if place[n, y, x]) / max(guided[n].sum(), 1e-9)
        for n in range(5)
    ]
    np.testing.assert_allclose(share_of(found, place), naive, rtol=1e-5)


def test_who_looks_everywhere_looks_by_area_and_who_looks_at_white_looks_at_it_alone(pictures):
    report = compare_attention({"even": EVERYWHERE, "white": AT_WHITE}, pictures, np.arange(24) // 2)
    rows = {(row.space, row.planted): row for row in report.rows}
    for what in PLANTED:
        even, white = rows["even", what], rows["white", what]
        assert even.share.value == pytest.approx(even.area) == pytest.approx(even.before)
        assert white.share.value > 0.99
        assert white.before == 0
        assert white.changed == pytest.approx(1, abs=0.4)
        assert even.difference is None
        assert white.difference.value == pytest.approx(white.share.value - even.share.value)
        assert white.difference.low <= white.difference.value <= white.difference.high
        assert (even.share.images, even.share.patients) == (24, 12)


def test_tables_and_picture_say_the_same(pictures):
    report = compare_attention({"even": EVERYWHERE, "white": AT_WHITE}, pictures[:6], np.arange(6))
    rows = attention_rows(report)
    assert [row[:2] for row in rows] == [(s, w) for w in PLANTED for s in ("even", "white")]
    assert all(len(row) == len(ATTENTION_COLUMNS) for row in rows)
    table = attention_markdown(report)
    assert "6 held-out images of 6 patients" in table
    assert f"| even | gauge | {rows[0][4]:.1%} | {100 * rows[0][5]:.1f}% (" in table
    svg = draw_attention(report, "svg").decode()
    assert "planted: gauge" in svg
    assert "white: 100% on the border" in svg


class NoPatients:
    def __init__(self, images):
        import pyarrow as pa

        self.images = pa.table({"region": ["hand", "knee"] * images, "patient": ["one", "two"] * images})

    def __len__(self):
        return self.images.num_rows


def test_too_few_patients_are_refused():
    with pytest.raises(UsageError, match="five patients"):
        measure_attention(NoPatients(1), {"simclr": "simclr"})
