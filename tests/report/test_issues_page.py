import base64
import hashlib
import re

import numpy as np
import pyarrow as pa
import pytest

from embedkit.quality import IssueTable
from embedkit.quality.table import SCHEMA
from embedkit.report import issues_page

from .elements import Elements

HOSTILE = "</script><img src=x onerror=alert(1)>'\"&${given}"


class PageIndex:
    def __init__(self, count, region):
        self.images = pa.table({"region": [region] * count})

    def pictures(self, rows):
        return np.stack([np.full((256, 256), row % 250, np.uint8) for row in rows])

    def rows_of(self, image_ids):
        return np.array([int(name.rsplit(".", 1)[1]) for name in image_ids], np.int64)


def make_page(count=8, region="hand", suggested="knee", issue="mislabelled", notes=(), *, group=("", ""), **options):
    rows = [
        dict(
            zip(
                SCHEMA.names,
                (
                    row + 1,
                    f"1.2.{row}",
                    f"/dump/CANARY^JANE/{row}",
                    issue,
                    region,
                    suggested,
                    0.9,
                    0.8,
                    0.7,
                    "1.2.0;1.2.1",
                    *group,
                    "It looks so.",
                ),
                strict=True,
            )
        )
        for row in range(count)
    ]
    table = IssueTable(pa.Table.from_pylist(rows, schema=SCHEMA), tuple(range(count)), 100, notes)
    return issues_page(PageIndex(max(count, 2), region), table, **options)


def test_a_suspect_is_a_card_with_its_picture_and_its_evidence():
    elements = Elements(make_page())
    assert len(elements.named("article")) == 8
    assert len(elements.named("img")) == 8 * 3
    assert all(image["src"].startswith("data:image/") for image in elements.named("img"))
    assert "8 suspects among 100 images" in elements.text


def test_nothing_from_outside_and_no_handler_in_the_page():
    page = make_page()
    elements = Elements(page)
    for _, attributes in elements.tags:
        assert not any(name.startswith("on") or name == "style" for name in attributes)
        assert all((attributes.get(name) or "data:").startswith("data:") for name in ("src", "href"))
    assert "http://" not in page
    assert "https://" not in page


def test_the_policy_allows_this_style_and_script_alone():
    page = make_page()
    policy = next(meta["content"] for meta in Elements(page).named("meta") if "http-equiv" in meta)
    assert policy.startswith("default-src 'none'; img-src data:")
    assert "unsafe" not in policy
    for tag in ("style", "script"):
        (body,) = re.findall(f"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy


@pytest.mark.parametrize("issue", ["mislabelled", "near-duplicate", "out-of-domain"])
def test_hostile_text_stays_text(issue):
    page = make_page(region=HOSTILE, suggested=HOSTILE, issue=issue, notes=(HOSTILE,))
    plain = Elements(make_page(issue=issue, notes=("note",)))
    elements = Elements(page)
    assert [tag for tag, _ in elements.tags] == [tag for tag, _ in plain.tags]
    assert elements.named("article")[0]["data-pair"] == f"{HOSTILE} → {HOSTILE}"
    assert HOSTILE in elements.text


def test_paths_are_not_shown():
    assert "CANARY" not in make_page()


def test_pictures_are_limited_and_the_page_says_so():
    elements = Elements(make_page(count=50, pictured=5))
    assert len(elements.named("article")) == 5
    assert len(elements.named("tr")) == 45
    assert "Pictures are shown for the first 5 suspects; the other 45 are listed below." in elements.text


def test_images_without_an_issue_are_not_on_the_page():
    assert Elements(make_page(issue="none")).named("article") == []


def test_no_suspect_at_all_is_a_page_too():
    assert "0 suspects among 100 images" in Elements(make_page(count=0)).text


def test_filters_offer_what_there_is():
    elements = Elements(make_page())
    assert [choice["value"] for choice in elements.named("input")] == ["mislabelled"]
    assert [option["value"] for option in elements.named("option")] == ["", "hand → knee"]


def test_the_page_says_which_image_of_a_group_to_keep():
    page = make_page(1, issue="near-duplicate", group=("1.2.0", "keep"))
    assert 'data-group="1.2.0"' in page
    assert "this is the one to keep" in page
    assert "is the one to keep" in make_page(1, issue="near-duplicate", group=("1.2.7", "repeat"), pictured=1)
