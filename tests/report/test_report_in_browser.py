"""The report in a real browser; skipped where Chromium and its driver are not installed."""

import pytest

from embedkit.report import make_report, write_report

from .archives import ArchiveIndex, decide_by_truth, rank
from .test_report import draw

GROUND = "return getComputedStyle(document.body).backgroundColor"


@pytest.fixture(scope="module")
def page(browser, tmp_path_factory):
    index = ArchiveIndex()
    path = tmp_path_factory.mktemp("page") / "report.html"
    made = make_report(index, rank(index), decide_by_truth(index, range(40)))
    write_report(path, made, draw(index), pictures_of=index)
    browser.get(path.as_uri())
    yield browser
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_every_picture_and_the_map_are_drawn(page):
    images = page.find_elements("css selector", "img")
    assert len(images) > 10
    assert all(page.execute_script("return arguments[0].naturalWidth > 0", image) for image in images)


def test_the_page_follows_the_screen_and_paper_is_white(page):
    def look(**media):
        features = [{"name": "prefers-color-scheme", "value": media.get("scheme", "light")}]
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media.get("media", ""), "features": features})
        return page.execute_script(GROUND)

    assert look() == "rgb(255, 255, 255)"
    assert look(scheme="dark") == "rgb(11, 13, 16)"
    assert look(scheme="dark", media="print") == "rgb(255, 255, 255)"
    look()


def test_a_narrow_screen_scrolls_tables_and_not_the_page(page):
    page.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    )
    assert page.execute_script("return document.documentElement.scrollWidth") <= 390
    page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
