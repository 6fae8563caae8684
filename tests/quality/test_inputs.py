"""What people bring to `rank_label_issues`: every kind of column and table; what is refused, with one clear error."""

import subprocess
import sys
from collections import UserList

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedkit.errors import UsageError
from embedkit.heads import cross_validate, number_groups
from embedkit.heads.labels import encode_labels
from embedkit.quality import find_graph, rank_label_issues

from .test_ranking import make_clusters

NAMES = np.array(["foot", "hand", "knee", "rib"])


def make_named(count=120):
    """Vectors, names given, patients' names, and probabilities, columns in the order of `NAMES`."""
    vectors, _, labels, groups = make_clusters(count=count, noise=0.1)
    return vectors, NAMES[labels], np.array([f"patient {group}" for group in groups]), labels, groups


def columns_of_text():
    """Kinds of columns of text that may hold None, by name: a function that makes one of a list."""
    kinds = {
        "list": list,
        "tuple": tuple,
        "user list": UserList,
        "numpy object": lambda values: np.array(values, dtype=object),
        "numpy text with nan": lambda values: np.array([np.nan if value is None else value for value in values]),
        "arrow": pa.array,
        "arrow chunks": lambda values: pa.chunked_array([values[:7], values[7:]]),
        "arrow dictionary": lambda values: pa.array(values).dictionary_encode(),
    }
    return kinds | pandas_kinds({"object": object, "category": "category", "string": "string"}) | polars_kinds()


def columns_of_numbers():
    kinds = {
        "list": list,
        "list of numpy": lambda values: [None if value is None else np.int32(value) for value in values],
        "numpy float": lambda values: np.array([np.nan if value is None else value for value in values]),
        "numpy float32": lambda values: np.array([np.nan if value is None else value for value in values], np.float32),
        "numpy masked": lambda values: np.ma.masked_array(
            [value or 0 for value in values], [v is None for v in values]
        ),
        "negative": lambda values: np.array([-1 if value is None else value for value in values]),
        "arrow": pa.array,
    }
    return kinds | pandas_kinds({"float": float, "Int64": "Int64", "category": "category"}) | polars_kinds()


def pandas_kinds(dtypes):
    try:
        import pandas as pd
    except ImportError:
        return {}
    made = {
        f"pandas {name}": lambda values, dtype=dtype: pd.Series(values, dtype=dtype) for name, dtype in dtypes.items()
    }
    return made | {
        "pandas as it comes": pd.Series,
        "pandas index": pd.Index,
        "pandas NA": lambda values: [pd.NA if value is None else value for value in values],
        "pandas NaT": lambda values: [pd.NaT if value is None else value for value in values],
        "pandas on arrow": lambda values: pd.Series(values, dtype=pd.ArrowDtype(pa.array(values).type)),
    }


def polars_kinds():
    try:
        import polars as pl
    except ImportError:
        return {}
    return {"polars": pl.Series}


@pytest.mark.parametrize("kind", columns_of_text())
def test_every_kind_of_column_of_text_reads_the_same(kind):
    values = ["knee", None, "foot", "10", "hand", "9", "knee", None, "foot"]
    make = columns_of_text()[kind]
    known = encode_labels(make(values))
    assert known.names == ("10", "9", "foot", "hand", "knee"), "as scikit-learn sorts them"
    assert known.codes.tolist() == [4, -1, 2, 0, 3, 1, 4, -1, 2]
    assert number_groups(make(values), 9).tolist() == [0, 1, 2, 3, 4, 5, 0, 6, 2]


@pytest.mark.parametrize("kind", columns_of_numbers())
def test_every_kind_of_column_of_numbers_reads_the_same(kind):
    values = [10, None, 9, 0, 10, None, 9]
    make = columns_of_numbers()[kind]
    known = encode_labels(make(values))
    assert known.names == ("0", "9", "10")
    assert known.codes.tolist() == [2, -1, 1, 0, 2, -1, 1]
    if kind != "negative":
        assert number_groups(make(values), 7).tolist() == [0, 1, 2, 3, 0, 4, 2]


def test_what_numpy_and_pandas_write_for_a_missing_label_is_missing_unless_it_is_a_class():
    words = ["nan", "NaN", "<NA>", "None", "NaT", " ", ""]
    assert encode_labels([*words, "hand"]).names == ("hand",)
    assert encode_labels(["nan", "hand", "NaN"], classes=["nan", "hand"]).codes.tolist() == [0, 1, -1]


def test_patients_without_an_id_are_not_one_patient():
    vectors, names, _, _, groups = make_named()
    unknown = np.where(np.arange(120) % 3 == 0, np.nan, groups)
    alone = np.where(np.isnan(unknown), 1000 + np.arange(120), unknown)
    first, second = (rank_label_issues(names, vectors, groups=given) for given in (unknown, alone))
    assert (first.score == second.score).all()
    assert not any("patient" in note for note in first.notes)


def test_classes_are_in_the_order_of_scikit_learn():
    from sklearn.neighbors import KNeighborsClassifier

    vectors, _, _, labels, _ = make_named()
    numbers = np.array([2, 9, 10, 100])[labels]
    for column in (numbers, numbers.astype(str), numbers.astype(float)):
        model = KNeighborsClassifier(15).fit(vectors, column)
        ranking = rank_label_issues(column, pred_probs=model.predict_proba(vectors))
        assert ranking.classes == tuple(str(int(name)) for name in model.classes_.astype(float))
        assert (np.array(ranking.classes).astype(int)[ranking.given] == numbers).all()
        assert (ranking.suggested == model.predict_proba(vectors).argmax(axis=1)).mean() > 0.9


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_columns_of_a_table_are_matched_by_name(library):
    made = pytest.importorskip(library)
    vectors, names, patients, labels, groups = make_named()
    table = cross_validate(vectors, labels, groups, 4)
    order = [2, 0, 3, 1]
    columns = {str(NAMES[place]): table[:, place] for place in order}
    frame = made.table(columns) if library == "pyarrow" else made.DataFrame(columns)
    plain, named = (rank_label_issues(names, vectors, given, patients) for given in (table, frame))
    assert named.classes == plain.classes
    assert (named.score == plain.score).all()
    ordered = rank_label_issues(names, vectors, frame, patients, classes=NAMES[order])
    assert ordered.classes == tuple(NAMES[order])
    assert ordered.score == pytest.approx(plain.score, abs=1e-6)


def test_a_table_may_have_a_column_of_a_class_that_no_image_has():
    vectors, names, _, labels, groups = make_named()
    table = cross_validate(vectors, labels, groups, 4)
    frame = pa.table({"ankle": np.zeros(120), **{str(name): table[:, place] for place, name in enumerate(NAMES)}})
    ranking = rank_label_issues(names, pred_probs=frame)
    assert ranking.classes == ("ankle", *NAMES)
    assert set(ranking.order[:8]) == set(rank_label_issues(names, pred_probs=table).order[:8])


def test_a_table_that_pandas_numbered_is_read_in_order():
    pandas = pytest.importorskip("pandas")
    vectors, names, _, labels, groups = make_named()
    table = cross_validate(vectors, labels, groups, 4)
    first, second = (rank_label_issues(names, pred_probs=given) for given in (table, pandas.DataFrame(table)))
    assert (first.score == second.score).all()


def test_numbers_may_be_places_among_classes_or_their_names_but_never_both():
    assert encode_labels([0, 1, 2], classes=["1", "2", "3"]).codes.tolist() == [0, 1, 2]
    assert encode_labels([1, 2, 3], classes=["1", "2", "3"]).codes.tolist() == [0, 1, 2]
    assert encode_labels([1, 2], classes=[1, 2, 3]).codes.tolist() == [0, 1]
    assert encode_labels([0, 1], classes=["0", "1", "2"]).codes.tolist() == [0, 1]
    assert encode_labels(["1", "2"], classes=["1", "2", "3"]).codes.tolist() == [0, 1]
    assert encode_labels([2, None, 0], classes=["foot", "hand", "knee"]).codes.tolist() == [2, -1, 0]
    for labels, classes in (([1, 2], ["1", "2", "3"]), ([0, 3], [1, 2, 3]), ([0, 5], ["1", "2"])):
        with pytest.raises(UsageError) as caught:
            encode_labels(labels, classes=classes)
        assert caught.value.reason == "bad-labels"


def test_verdicts_are_written_as_the_labels_are():
    vectors, names, patients, labels, groups = make_named()
    by_name = rank_label_issues(names, vectors, groups=patients, reviewed={0: "hand", 5: ""})
    by_number = rank_label_issues(labels, vectors, groups=groups, reviewed={np.int64(0): 1, 5: ""})
    by_place = rank_label_issues(labels, vectors, groups=groups, classes=NAMES, reviewed={0: np.int64(1), 5: ""})
    mixed = rank_label_issues(labels, vectors, groups=groups, classes=NAMES, reviewed={0: "hand", 5: ""})
    for ranking in (by_number, by_place, mixed):
        assert (ranking.score == by_name.score).all()
        assert (ranking.suggested == by_name.suggested).all()
    assert by_name.suggested[[0, 5]].tolist() == [1, -1]
    assert rank_label_issues(labels, vectors, groups=groups, reviewed={0: 0}).suggested[0] == 0


NO_CLASS = ["kneee", 0, None, float("nan"), -1, ["hand"], b"hand", True, 0.5]
NO_ROWS = [{-1: "hand"}, {120: "hand"}, {0.5: "hand"}, {"0": "hand"}, ["hand"], np.array(["hand"])]


@pytest.mark.parametrize("reviewed", [*({0: said} for said in NO_CLASS), *NO_ROWS])
def test_a_verdict_that_names_no_class_or_no_row_is_refused(reviewed):
    vectors, names, _, _, _ = make_named()
    with pytest.raises(UsageError) as caught:
        rank_label_issues(names, vectors, reviewed=reviewed)
    assert caught.value.reason == "bad-review"
    assert "\n" not in str(caught.value)


FLAT = ["hand", 3, 2.5, None, np.float64(1), np.array("hand"), {"hand": 1}, {"hand"}, [["a"], ["b", "c"]], object()]
UNUSUAL = [[float("inf")] * 4, [1 + 0j] * 4, [("a",)] * 4, [np.zeros(2)] * 4, [np.zeros(1)] * 4, (c for c in "abcd")]
TABLES = [np.zeros((4, 2)), pa.table({"a": [1, 2, 3, 4]}), np.zeros(4, "M8[ns]"), [[0, 1]] * 4]


@pytest.mark.parametrize("column", [*FLAT, *UNUSUAL, *TABLES])
def test_labels_and_groups_that_are_not_flat_or_no_names_are_refused(column):
    for reason, labels, groups in (("bad-labels", column, None), ("bad-groups", [0, 1, 0, 1], column)):
        if reason == "bad-groups" and column is None:
            continue
        with pytest.raises(UsageError) as caught:
            rank_label_issues(labels, np.eye(4), groups=groups)
        assert caught.value.reason == reason
        assert "\n" not in str(caught.value)


OTHER_SHAPES = [
    3,
    np.ones((4, 2, 2)),
    np.ones((3, 2)),
    np.ones((4, 0)),
    {"simclr": [1, 2, 3, 4]},
    [[1, 2], [3], [4], [5]],
]
OTHER_KINDS = ["abcd", [[1, "a"]] * 4, [[1, None]] * 4, np.ones((4, 2)) * 1j, [[1, np.inf]] * 4, [[1e300, 1]] * 4]


@pytest.mark.parametrize("vectors", [*OTHER_SHAPES, *OTHER_KINDS])
def test_vectors_of_another_shape_or_kind_are_refused(vectors):
    with pytest.raises(UsageError) as caught:
        rank_label_issues([0, 1, 0, 1], vectors)
    assert caught.value.reason == "bad-vectors"
    assert "\n" not in str(caught.value)


NO_ARRAYS = [0.5, "ab", [0.5] * 4, [[0.5, 0.5]] * 3, [[0.5, 0.5], [1], [1], [1]], [[np.inf, 0]] * 4, [[0.5, None]] * 4]
OTHER_COLUMNS = [pa.table({"1": [1.0] * 4, "2": [0.0] * 4}), pa.table({"0": [1.0] * 4})]


@pytest.mark.parametrize("pred_probs", [*NO_ARRAYS, *OTHER_COLUMNS])
def test_probabilities_of_another_shape_or_kind_are_refused(pred_probs):
    with pytest.raises(UsageError) as caught:
        rank_label_issues([0, 1, 0, 1], pred_probs=pred_probs)
    assert caught.value.reason == "bad-probabilities"
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("columns", [1, 2, 4])
def test_where_columns_are_missing_the_error_names_classes(columns):
    table = np.full((6, columns), 1 / columns)
    with pytest.raises(UsageError, match=r"classes=") as caught:
        rank_label_issues(["a", "b", "c"] * 2, pred_probs=table)
    assert caught.value.reason == "bad-probabilities"
    assert "3 classes" in str(caught.value)


@pytest.mark.parametrize("classes", ["hand", 3, ["a", "a"], ["a", ""], ["a", None], [["a"], ["b"]], ["1", 1], [1.5]])
def test_classes_that_are_no_names_are_refused(classes):
    with pytest.raises(UsageError) as caught:
        rank_label_issues([0, 1], np.eye(2), classes=classes)
    assert caught.value.reason == "bad-classes"


def test_no_space_at_all_is_nothing_to_rank_by():
    with pytest.raises(UsageError) as caught:
        rank_label_issues([0, 1], {})
    assert caught.value.reason == "nothing-to-rank-by"


def test_a_graph_of_other_images_is_refused():
    vectors, names, _, _, groups = make_named()
    graph = find_graph(vectors[:50], groups[:50])
    for given_vectors, given_graph in (
        (vectors, graph),
        ({"a": vectors}, {"a": graph}),
        ({"a": vectors}, {"b": graph}),
    ):
        with pytest.raises(UsageError) as caught:
            rank_label_issues(names, given_vectors, groups=groups, graph=given_graph)
        assert caught.value.reason == "bad-graph"


@settings(max_examples=12, deadline=None)
@given(st.randoms(use_true_random=False))
def test_neither_the_order_of_rows_nor_of_columns_nor_names_change_a_score(random):
    vectors, names, patients, labels, groups = make_named()
    table = cross_validate(vectors, labels, groups, 4)
    plain = rank_label_issues(names, pred_probs=table, groups=patients, reviewed={3: "knee"})
    rows = np.array(random.sample(range(120), 120))
    called = dict(zip(NAMES.tolist(), random.sample(["9", "10", "nan ", "x", "Y", "é", "0"], 4), strict=True))
    columns = random.sample(range(4), 4)
    frame = pa.table({called[NAMES[place]]: table[rows, place] for place in columns})
    ranking = rank_label_issues(
        [called[name] for name in names[rows]],
        pred_probs=frame,
        groups=patients[rows],
        reviewed={int(np.flatnonzero(rows == 3)[0]): called["knee"]},
    )
    assert ranking.score == pytest.approx(plain.score[rows], abs=1e-6)
    assert [ranking.classes[code] for code in ranking.suggested] == [
        called[plain.classes[code]] for code in plain.suggested[rows]
    ]


def test_neither_pandas_nor_polars_is_imported():
    code = "import sys, embedkit.quality; assert not {'pandas', 'polars'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
