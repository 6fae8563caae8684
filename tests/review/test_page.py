"""A whole review in a real browser, by keyboard alone: the database equals what was pressed."""

from __future__ import annotations

import shutil
import signal
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from embedkit.indexes import Index
from embedkit.review import Decisions, measure_agreement

from .conftest import NASTY, Server, Site

webdriver = pytest.importorskip("selenium.webdriver")
if not (shutil.which("chromium") and shutil.which("chromedriver")):
    pytest.skip("chromium and chromedriver are not installed", allow_module_level=True)

from selenium.webdriver.common.keys import Keys  # noqa: E402

VERDICTS = {"k": "keep", "a": "relabel", "r": "relabel", "o": "out-of-domain", "u": "unusable", "s": "skip"}


class Page:
    """The page in headless Chromium."""

    def __init__(self, width: int = 1280, height: int = 800) -> None:
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium")
        for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", f"--window-size={width},{height}"):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        service = webdriver.ChromeService(shutil.which("chromedriver"))
        self.driver = webdriver.Chrome(options, service)
        self.resize(width, height)

    def resize(self, width: int, height: int) -> None:
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def run(self, script: str, *arguments: object) -> object:
        return self.driver.execute_script(script, *arguments)

    def wait(self, condition: str, seconds: float = 60) -> None:
        end = time.monotonic() + seconds
        while not self.run(f"return {condition}"):
            assert time.monotonic() < end, (condition, self.text("status"), self.driver.get_log("browser"))
            time.sleep(0.02)

    def open(self, address: str) -> None:
        self.driver.get(address)
        self.ready()

    def ready(self, other_than: str = "") -> None:
        """Wait for a radiograph that can be decided on, of another image than the one before."""
        self.wait(
            "document.body.dataset.state == 'finished' || (document.body.dataset.state == 'shown'"
            f" && document.querySelector('.about')?.textContent != {other_than!r})"
        )

    def text(self, name: str) -> str:
        return str(self.run("return document.getElementById(arguments[0])?.textContent ?? ''", name))

    def image(self) -> str:
        return str(self.run("return document.querySelector('.about')?.textContent.split(' · ').at(-1) ?? ''"))

    def press(self, *keys: str) -> None:
        for key in keys:
            self.driver.switch_to.active_element.send_keys(key)

    def decide(self, *keys: str) -> str:
        """Press keys that decide; return the image that they were about."""
        image, about = self.image(), self.run("return document.querySelector('.about').textContent")
        self.press(*keys)
        self.wait("document.getElementById('status').textContent.startsWith('Saved')")
        self.ready(other_than=str(about))
        return image

    def choose(self, name: str, text: str) -> None:
        """Choose an option of a filter, by its text."""
        self.run(
            "const s = document.getElementById(arguments[0]);"
            "s.value = [...s.options].find(o => o.text.includes(arguments[1])).value;"
            "s.dispatchEvent(new Event('change', {bubbles: true}))",
            name,
            text,
        )
        self.wait("document.body.dataset.state == 'shown' || document.body.dataset.state == 'finished'")


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    opened = Page()
    yield opened
    opened.driver.quit()


def facts(site: Site, reviewer: str) -> list[tuple[str, str, str]]:
    with Decisions.open(site.index) as decisions:
        return [(d.image_id, d.verdict, d.region) for d in decisions.latest(reviewer)]


def decide_by_every_key(page: Page, number: int) -> tuple[str, str, str]:
    """Decide by one key or another; return the image and what was pressed."""
    given, suggested = page.text("given"), page.text("suggested")
    able = {"k": given != "no label", "a": suggested not in ("nothing", given)}
    key = [key for key in "kaousr" if able.get(key, True)][number % 3 if number % 5 else -1]
    if number == 3:
        page.press("n", "a note", Keys.ENTER)
    image = page.decide(*(("r", "forearm", Keys.ENTER) if key == "r" else (key,)))
    return image, VERDICTS[key], {"a": suggested, "r": "forearm"}.get(key, "")


@pytest.mark.slow
def test_twenty_decisions_undo_reload_a_killed_server_and_a_second_reader(site: Site, page: Page) -> None:
    with Server(site, "--reviewer", "anna", "--reviewer", "ben") as server:
        port = server.place.port
        page.open(server.addresses["anna"])
        assert "token" not in page.driver.current_url
        pressed = [decide_by_every_key(page, number) for number in range(14)]
        assert facts(site, "anna") == pressed
        page.press("z")
        page.wait("document.getElementById('status').textContent == 'Taken back.'")
        assert page.image() == pressed.pop()[0]
        assert facts(site, "anna") == pressed
        page.driver.refresh()
        page.ready()
        server.end(signal.SIGKILL)
        before = page.image()
        page.press("u")
        page.wait("document.getElementById('status').textContent.startsWith('Not saved')")
        assert page.image() == before, "it does not move on"
        assert facts(site, "anna") == pressed
    with Server(site, "--reviewer", "anna", "--reviewer", "ben", "--port", port) as server:
        page.press("u")
        page.wait("document.getElementById('status').textContent.includes('started anew')")
        page.open(server.addresses["anna"])
        while len(pressed) < 20:
            pressed.append((page.decide("u"), "unusable", ""))
        assert facts(site, "anna") == pressed
        with Decisions.open(site.index) as decisions:
            assert [d.note for d in decisions.latest("anna")].count("a note") == 1

        page.open(server.addresses["ben"])
        assert page.image() not in {image for image, _, _ in pressed}, "what anna read is read"
        page.choose("show", "second reading of anna")
        read = []
        while page.run("return document.body.dataset.state") == "shown":
            read.append(page.decide("u"))
        page.wait("document.getElementById('done-text').textContent.includes('With anna')")
        said = page.text("done-text")
    first = [image for image, verdict, _ in pressed if verdict != "skip"]
    assert read == first
    with Decisions.open(site.index) as decisions:
        found = measure_agreement(decisions.latest(), "anna", "ben")
    assert f"the same on {found.agreed} of {found.images}" in said
    assert f"{found.kappa:.2f}" in said
    assert not [entry for entry in page.driver.get_log("browser") if "Content Security" in entry["message"]]


@pytest.mark.slow
def test_two_reviewers_in_one_browser_save_each_under_their_own_name(site: Site, page: Page) -> None:
    with Server(site, "--reviewer", "anna", "--reviewer", "ben müller/x") as server:
        names = ("anna", "ben müller/x")
        tabs, pressed = {}, {name: [] for name in names}
        for name in names:
            page.driver.switch_to.new_window("tab")
            tabs[name] = page.driver.current_window_handle
            page.open(server.addresses[name])
        for turn in range(6):
            name = names[turn % 2]
            page.driver.switch_to.window(tabs[name])
            if turn > 3:
                page.driver.refresh()
                page.ready()
            assert page.text("reviewer") == name
            pressed[name].append(page.decide("u"))
        for name in names:
            assert [image for image, _, _ in facts(site, name)] == pressed[name]
        assert "Cookie:" not in seen_at_another_port(page)
        for name in names:
            page.driver.switch_to.window(tabs[name])
            page.driver.close()
        page.driver.switch_to.window(page.driver.window_handles[0])


def seen_at_another_port(page: Page) -> str:
    """What a server at another port of this machine is sent, when the browser opens it."""
    seen: list[bytes] = []

    def answer(other: socket.socket) -> None:
        line, _ = other.accept()
        with line:
            seen.append(line.recv(65536))
            line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")

    with socket.create_server(("127.0.0.1", 0)) as other:
        thread = threading.Thread(target=answer, args=(other,), daemon=True)
        thread.start()
        page.driver.switch_to.new_window("tab")
        page.driver.get(f"http://127.0.0.1:{other.getsockname()[1]}/")
        thread.join(20)
    page.driver.close()
    page.driver.switch_to.window(page.driver.window_handles[0])
    return seen[0].decode()


def brightness(page: Page) -> float:
    return float(
        page.run(
            "const c = document.getElementById('radiograph');"
            "const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
            "let s = 0; for (let i = 0; i < d.length; i += 4) s += d[i]; return s / (d.length / 4)"
        )
    )


@pytest.mark.slow
def test_viewing_filters_and_help_by_keyboard(site: Site, page: Page) -> None:
    with Server(site, "--reviewer", "anna") as server:
        page.resize(1920, 1080)
        page.open(server.addresses["anna"])
        began, readout = brightness(page), page.text("readout")
        for keys, back in (
            (("i",), ("i",)),
            ((".",), (",",)),
            (("+", "+"), ("0",)),
            ((Keys.SHIFT + Keys.ARROW_UP,), ("d",)),
        ):
            page.press(*keys)
            page.wait("true", 1)
            time.sleep(0.1)
            changed = brightness(page), page.text("readout")
            assert changed != (began, readout), keys
            page.press(*back)
            time.sleep(0.1)
            assert (brightness(page), page.text("readout")) == (pytest.approx(began), readout), back
        page.press("?")
        page.wait("document.getElementById('help').open")
        page.press("u")
        page.press(Keys.ESCAPE)
        assert facts(site, "anna") == [], "a key in the help decides nothing"
        first = page.image()
        page.press(Keys.PAGE_DOWN)
        page.wait(f"!document.querySelector('.about').textContent.includes('{first}')")
        page.ready()
        page.press(Keys.PAGE_UP)
        page.wait(f"document.querySelector('.about').textContent.includes('{first}')")
        assert facts(site, "anna") == []
        page.choose("issue", "No label")
        assert page.text("given") == "no label"
        page.press("k")
        page.wait("document.getElementById('status').textContent.includes('no label to keep')")
        for width, height in ((1280, 800), (1920, 1080)):
            page.resize(width, height)
            over = "return [document.body.scrollWidth - innerWidth, document.body.scrollHeight - innerHeight]"
            assert max(page.run(over)) <= 0, "nothing is cut off"  # type: ignore[type-var,arg-type]
        square = "(c => Math.abs(c.width / c.clientWidth - c.height / c.clientHeight) < 0.01)"
        page.wait(f"{square}(document.getElementById('radiograph'))")  # it is drawn anew in the frame after a resize
        page.press("f")
        assert page.run("return document.activeElement.id") == "show"


@pytest.mark.slow
def test_what_a_header_says_is_text_and_nothing_else(site: Site, page: Page) -> None:
    images = Index.open(site.index).images
    uid = images["image_id"][images["given"].to_pylist().index(NASTY)].as_py()
    columns = "sop_instance_uid,issue,given_region,suggested_region,score,confidence,neighbour_agreement,evidence"
    site.issues.write_text(f"{columns}\n{uid},mislabelled,hand,<i>knee</i>,0.9,0.9,0.9,\n")
    with Server(site, "--reviewer", "anna") as server:
        page.open(server.addresses["anna"])
        assert NASTY in page.text("verbatim")
        assert page.text("suggested") == "<i>knee</i>"
        assert page.run("return document.querySelectorAll('aside i, aside small b, select i').length") == 0
