"""Rankings by several vector spaces, and which spaces of an index may judge labels."""

from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from embedkit.errors import UsageError
from embedkit.quality import find_graph, find_label_issues, rank_label_issues
from embedkit.quality.fusion import multiply_probabilities
from embedkit.quality.spaces import choose_spaces

from .test_ranking import make_clusters


def blur(vectors, seed):
    """The same images by an encoder that sees them less sharply, in its own way."""
    rng = np.random.default_rng(seed)
    return (vectors @ rng.normal(size=(24, 24)) / 5 + rng.normal(0, 2.0, vectors.shape)).astype(np.float32)


@pytest.mark.slow
def test_two_spaces_know_more_than_either():
    gain = []
    for seed in range(4):
        vectors, true, labels, groups = make_clusters(count=400, seed=seed, noise=0.1)
        spaces = {"one": blur(vectors, seed), "two": blur(vectors, seed + 100)}
        scores = [rank_label_issues(labels, points, groups=groups).score for points in (*spaces.values(), spaces)]
        one, two, both = (average_precision_score(labels != true, score) for score in scores)
        gain.append(both - max(one, two))
    assert np.mean(gain) > 0.02


def test_a_single_space_may_have_a_name_and_graphs_may_be_given():
    vectors, _, labels, groups = make_clusters()
    plain = rank_label_issues(labels, vectors, groups=groups)
    named = rank_label_issues(labels, {"simclr": vectors}, groups=groups)
    spaces = {"simclr": vectors, "byol": blur(vectors, 1)}
    graphs = {name: find_graph(points, groups) for name, points in spaces.items()}
    both = [rank_label_issues(labels, spaces, groups=groups, graph=known).score for known in (None, graphs)]
    assert (named.score == plain.score).all()
    assert (both[0] == both[1]).all()
    assert (both[0] != plain.score).any()


def test_beliefs_are_multiplied_as_a_loop_does():
    one, two = np.random.default_rng(0).dirichlet(np.ones(3), (2, 20)).astype(np.float32)
    for row, found in enumerate(multiply_probabilities([one, two])):
        product = np.array([(float(a) * float(b)) ** 0.5**0.5 for a, b in zip(one[row], two[row], strict=True)])
        assert found == pytest.approx(product / product.sum(), rel=1e-4)
    assert multiply_probabilities([one]) is one


def index_of(**encoders):
    """What `choose_spaces` asks of an index."""
    spaces = {name: SimpleNamespace(labels_seen=seen) for name, seen in encoders.items()}

    def name_space(name=None):
        if name is None and len(spaces) != 1:
            raise UsageError("several-spaces", "")
        return name or next(iter(spaces))

    return SimpleNamespace(spaces=spaces, space_name=name_space)


def test_spaces_of_encoders_that_may_have_seen_labels_are_left_out_unless_named():
    index = index_of(simclr=False, byol=False, supcon=True, own=None)
    chosen, (note,) = choose_spaces(index, None)
    assert chosen == ("simclr", "byol")
    assert "own, supcon" in note
    assert choose_spaces(index, ["supcon", "byol", "supcon"]) == (("supcon", "byol"), ())
    assert choose_spaces(index, "own") == (("own",), ())
    assert choose_spaces(index_of(own=None), None) == (("own",), ())
    with pytest.raises(UsageError):
        choose_spaces(index_of(one=None, two=True), None)


def test_an_index_is_ranked_by_the_spaces_named(archive, monkeypatch):
    index = archive.index
    vectors = {"simclr": index.vectors(), "byol": index.vectors()[:, ::-1].copy()}
    monkeypatch.setattr(index, "spaces", dict.fromkeys(vectors, index.spaces["simclr"]))
    monkeypatch.setattr(index, "vectors", lambda space=None: vectors[space])
    both = find_label_issues(index, space=["simclr", "byol"])
    listed = dict(zip(both.rows, both.table["issue"].to_pylist(), strict=True))
    assert sum(listed.get(row) == "mislabelled" for row in archive.wrong) >= 8
