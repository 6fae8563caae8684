"""The map in a real browser; skipped where Chromium and its driver are not installed."""

from __future__ import annotations

import base64

import cv2
import numpy as np
import pytest

from embedkit.report import Finding, RegionMap, map_page

from .maps import MapIndex

PLACE = "return [screenX(arguments[0]), screenY(arguments[0])]"


@pytest.fixture
def page(browser, tmp_path):
    index = MapIndex()
    angle = np.arange(80, dtype=np.float32)
    points = np.stack([np.cos(angle) * angle, np.sin(angle) * angle], axis=1)
    findings = {3: Finding("mislabelled", "knee", 0.93), 5: Finding("corrected label", "foot", 1.0)}
    drawn = RegionMap(points, tuple(index.images["region"].to_pylist()), findings, "UMAP of simclr")
    path = tmp_path / "map.html"
    path.write_text(map_page(index, drawn, pictured=70), encoding="utf-8")
    browser.get(path.as_uri())
    yield browser
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []


def row_of(page):
    return int(page.find_element("css selector", "#card .uid").text.rsplit(".", 1)[1])


def grey_shown(page):
    source = page.find_element("css selector", "#card img").get_attribute("src")
    data = base64.b64decode(source.removeprefix("data:image/webp;base64,"))
    return float(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE).mean())


def hover(page, point):
    from selenium.webdriver import ActionChains

    canvas = page.find_element("id", "map")
    x, y = page.execute_script(PLACE, point)
    left, top = -canvas.size["width"] / 2, -canvas.size["height"] / 2
    ActionChains(page).move_to_element_with_offset(canvas, round(left + x), round(top + y)).perform()


def press(page, *keys):
    from selenium.webdriver import ActionChains

    ActionChains(page).send_keys(*keys).perform()


@pytest.mark.slow
def test_hovering_shows_the_radiograph_under_the_pointer(page):
    for point in (0, 1, 20, 50):
        hover(page, point)
        assert page.find_element("id", "card").is_displayed()
        assert page.find_element("id", "card").get_dom_attribute("data-point") == str(point)
        assert abs(grey_shown(page) - (10 + 2 * row_of(page))) <= 2


def test_a_suspect_shows_both_regions_and_a_corrected_label_what_it_was(page):
    given = MapIndex().images["region"].to_pylist()
    shown = {}
    for point in (0, 1):
        hover(page, point)
        texts = [page.find_element("css selector", f"#card {part}").text for part in (".given", ".suggested", ".issue")]
        shown[row_of(page)] = texts
    assert shown == {3: [given[3], "knee", "mislabelled, 0.93"], 5: ["foot", given[5], "corrected label"]}


def test_a_point_without_a_picture_says_so(page):
    hover(page, 75)
    assert not page.find_element("css selector", "#card img").is_displayed()
    assert "no picture" in page.find_element("css selector", "#card .issue").text


@pytest.mark.slow
def test_the_wheel_zooms_about_the_pointer_and_dragging_pans(page):
    from selenium.webdriver import ActionChains

    canvas = page.find_element("id", "map")
    before = page.execute_script("return view.zoom")
    hover(page, 10)
    x, y = page.execute_script(PLACE, 10)
    page.execute_script(
        "canvas.dispatchEvent(new WheelEvent('wheel', {deltaY: -600, cancelable: true, clientX: arguments[0], "
        "clientY: arguments[1] + canvas.getBoundingClientRect().top}))",
        x,
        y,
    )
    assert page.execute_script("return view.zoom") > 2 * before
    assert np.allclose(page.execute_script(PLACE, 10), [x, y], atol=2)
    ActionChains(page).move_to_element(canvas).click_and_hold().move_by_offset(40, 25).release().perform()
    assert np.allclose(page.execute_script(PLACE, 10), [x + 40, y + 25], atol=3)
    page.find_element("id", "whole").click()
    assert page.execute_script("return view.zoom") == pytest.approx(before)


def test_the_legend_hides_and_shows_a_region(page):
    entries = page.find_elements("css selector", "#legend button")
    names = [entry.text.split("\n")[0] for entry in entries]
    assert names == ["foot", "hand", "knee", "no label", "suspect", "corrected label"]
    pixels = (
        "draw(); return context.getImageData(0, 0, canvas.width, canvas.height).data.filter((v, i, all) => "
        "i % 4 === 0 && v === 11 && all[i + 1] === 13).length"
    )
    ground = page.execute_script(pixels)
    entries[0].click()
    assert entries[0].get_dom_attribute("aria-pressed") == "false"
    assert page.execute_script(pixels) > ground
    entries[0].click()
    assert page.execute_script(pixels) == ground
    page.find_element("id", "none").click()
    assert page.execute_script("return at(0, 0, Infinity)") == -1


def test_keys_walk_from_star_to_star_and_from_point_to_point(page):
    press(page, "n")
    first = row_of(page)
    press(page, "n")
    assert {first, row_of(page)} == {3, 5}
    before = page.find_element("id", "card").get_dom_attribute("data-point")
    press(page, "\ue014")  # arrow right
    after = page.find_element("id", "card").get_dom_attribute("data-point")
    assert after != before
    assert page.execute_script("return screenX(arguments[0]) > screenX(arguments[1])", int(after), int(before))
    press(page, "\ue00c")  # escape
    assert not page.find_element("id", "card").is_displayed()


def test_a_tap_shows_the_radiograph(page):
    x, y = page.execute_script(PLACE, 12)
    page.execute_script(
        "for (const type of ['pointerdown', 'pointerup']) { const box = canvas.getBoundingClientRect();"
        "canvas.setPointerCapture = () => {};"
        "canvas.dispatchEvent(new PointerEvent(type, {pointerId: 7, pointerType: 'touch', "
        "clientX: box.left + arguments[0] + 3, clientY: box.top + arguments[1]})); }",
        x,
        y,
    )
    assert page.find_element("id", "card").get_dom_attribute("data-point") == "12"
