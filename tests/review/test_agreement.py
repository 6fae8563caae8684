"""Agreement of readers against scikit-learn and a naive count, and what counts where they differ."""

from __future__ import annotations

from datetime import UTC, datetime
from math import isnan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from embedkit.review import Decision, find_consensus, measure_agreement

OUTCOMES = ("hand", "elbow", "out-of-domain", "unusable")


def decide(image: str, reviewer: str, outcome: str, prior: str = "hand") -> Decision:
    verdict = outcome if outcome in ("out-of-domain", "unusable", "skip") else "keep" if outcome == prior else "relabel"
    region = outcome if verdict == "relabel" else ""
    return Decision(1, image, reviewer, datetime.now(UTC), verdict, region, prior, "")


@given(st.lists(st.tuples(st.sampled_from(OUTCOMES), st.sampled_from(OUTCOMES)), min_size=1, max_size=40))
def test_kappa_is_cohens(readings: list[tuple[str, str]]) -> None:
    decisions = [decide(str(n), "anna", one) for n, (one, _) in enumerate(readings)]
    decisions += [decide(str(n), "ben", two) for n, (_, two) in reversed(list(enumerate(readings)))]
    found = measure_agreement(decisions, "anna", "ben")
    first, second = zip(*readings, strict=True)
    assert found.images == len(readings)
    assert found.agreed == sum(one == two for one, two in readings)
    table = np.zeros((4, 4))
    for one, two in readings:
        table[OUTCOMES.index(one), OUTCOMES.index(two)] += 1 / len(readings)
    by_chance = sum(table[n].sum() * table[:, n].sum() for n in range(4))
    if by_chance > 1 - 1e-12:
        assert isnan(found.kappa)
    else:
        assert found.kappa == pytest.approx((table.trace() - by_chance) / (1 - by_chance))
        assert found.kappa == pytest.approx(cohen_kappa_score(first, second))


def test_to_keep_hand_and_to_relabel_to_hand_is_the_same() -> None:
    found = measure_agreement([decide("1", "anna", "hand"), decide("1", "ben", "hand", prior="elbow")], "anna", "ben")
    assert found.agreed == 1


def test_skips_and_images_of_one_reader_do_not_count() -> None:
    decisions = [decide("1", "anna", "hand"), decide("1", "ben", "skip"), decide("2", "anna", "hand")]
    found = measure_agreement(decisions, "anna", "ben")
    assert found.images == 0
    assert isnan(found.kappa)


@pytest.mark.parametrize(
    ("outcomes", "verdict", "region"),
    [
        (["hand"], "keep", "hand"),
        (["elbow"], "relabel", "elbow"),
        (["out-of-domain"], "out-of-domain", ""),
        (["elbow", "elbow"], "relabel", "elbow"),
        (["elbow", "hand"], "", ""),
        (["elbow", "hand", "elbow"], "relabel", "elbow"),
        (["elbow", "hand", "unusable"], "", ""),
        (["elbow", "elbow", "hand", "hand"], "", ""),
        (["elbow", "skip"], "relabel", "elbow"),
    ],
)
def test_the_majority_of_readers_counts(outcomes: list[str], verdict: str, region: str) -> None:
    decisions = [decide("1", f"reader {n}", outcome) for n, outcome in enumerate(outcomes)]
    found = find_consensus(decisions)["1"]
    assert (found.verdict, found.region, found.disputed) == (verdict, region, not verdict)
    assert found.prior == "hand"
    assert len(found.readers) == sum(outcome != "skip" for outcome in outcomes)


def test_skipped_images_have_no_consensus() -> None:
    assert find_consensus([decide("1", "anna", "skip")]) == {}
