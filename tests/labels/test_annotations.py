"""Names that a person wrote into a table of ours."""

from pathlib import Path

import pytest

from embedkit.errors import UsageError
from embedkit.labels import Vocabulary, read_annotations

VOCABULARY = Vocabulary.load()


def read(path: Path, text: str, **options: object) -> dict[str, str]:
    path.write_text(text, encoding="utf-8")
    found = read_annotations(path, "cluster", VOCABULARY, source="cluster", **options)  # type: ignore[arg-type]
    assert {label.source for label in found.values()} == {"cluster"}
    return {key: label.region for key, label in found.items()}


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_names_pass_through_the_vocabulary(tmp_path: Path, separator: str, mark: str) -> None:
    rows = ["cluster,sheet,images,region", "1,a.png,20,Knie LT", "2,b.png,10,", "3,c.png,9,hand"]
    found = read(tmp_path / "names.csv", mark + "\n".join(rows).replace(",", separator))
    assert found == {"1": "knee", "3": "hand"}


def test_an_unknown_name_is_an_error_with_the_nearest_spelling_and_without_the_cell(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        read(tmp_path / "names.csv", "cluster,region\n1,knee\n2,sholder\n3,CANARY^JANE\n")
    assert caught.value.reason == "unknown-region"
    assert 'row 3 names no region: the nearest spelling is "shoulder"' in str(caught.value)
    assert "row 4 names no region" in str(caught.value)
    assert "CANARY" not in str(caught.value)
    assert "sholder" not in str(caught.value)


def test_a_region_of_the_index_is_a_good_name(tmp_path: Path) -> None:
    assert read(tmp_path / "names.csv", "cluster,region\n1,prosthesis\n", regions={"prosthesis"}) == {"1": "prosthesis"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cluster,region\n1,\n", "no row has a name"),
        ("", "names none of the columns cluster"),
        ("cluster,images\n1,20\n", "names none of the columns region"),
        ("cluster,region\n1,knee\n1,hand\n", "row 3 contradicts"),
        ('cluster,region\n1,"knee\n', "not CSV"),
    ],
)
def test_other_tables_are_errors(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        read(tmp_path / "names.csv", text)
    assert caught.value.reason == "labels-invalid"


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        read_annotations(tmp_path / "none.csv", "cluster", VOCABULARY, source="cluster")
