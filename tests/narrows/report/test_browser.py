"""Reports as people see them, in Chromium: phone and desktop, light and dark, by key, on paper."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from narrows.report.report import Report
from tests.narrows.report.test_attacks import ATTACKS, attacked
from tests.support.browsers import launched
from tests.support.reports import findings

Scheme = Literal["light", "dark"]
PHONE, DESKTOP = 390, 1280


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as browser:
        yield browser


class Reader:
    """Opens reports, and fails on any error or dialog of a page."""

    def __init__(self, browser: Browser, folder: Path) -> None:
        self._browser, self._folder = browser, folder
        self.complaints: list[str] = []

    def open(
        self, report: Report, width: int = DESKTOP, scheme: Scheme = "light", *, script: bool = True
    ) -> Page:
        path = report.save(self._folder / "report.html")
        context = self._browser.new_context(
            viewport={"width": width, "height": 844},
            color_scheme=scheme,
            java_script_enabled=script,
        )
        page = context.new_page()
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", lambda dialog: self.complaints.append(dialog.message))
        page.on("request", self._note)
        page.goto(path.as_uri())
        return page

    def _note(self, request: object) -> None:
        if not str(getattr(request, "url", "")).startswith("file:"):
            self.complaints.append(str(request))


@pytest.fixture
def reader(browser: Browser, tmp_path: Path) -> Iterator[Reader]:
    reader = Reader(browser, tmp_path)
    yield reader
    for context in browser.contexts:
        context.close()
    assert reader.complaints == []


@pytest.mark.parametrize(("layers", "width"), [(4, PHONE), (400, PHONE), (400, DESKTOP)])
def test_nothing_is_wider_than_the_page(reader: Reader, layers: int, width: int) -> None:
    page = reader.open(Report(findings(layers)), width)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    heading = page.get_by_role("heading", level=1)
    assert heading.inner_text() == "net.pt2"


@pytest.mark.parametrize(("width", "scheme"), [(PHONE, "dark"), (DESKTOP, "light")])
def test_axe_finds_nothing(reader: Reader, width: int, scheme: Scheme) -> None:
    page = reader.open(Report(findings(5)), width, scheme)
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true })")
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    page.set_content("<img>")
    assert Axe().run(page).violations_count > 0  # it does look


def test_light_and_dark(reader: Reader) -> None:
    def colours(scheme: Scheme) -> tuple[str, str]:
        page = reader.open(Report(findings(4)), scheme=scheme)
        body = page.evaluate("getComputedStyle(document.body).backgroundColor")
        text = page.evaluate("getComputedStyle(document.querySelector('.nrw text')).fill")
        return body, text

    assert colours("light") == ("rgb(255, 255, 255)", "rgb(27, 36, 48)")
    assert colours("dark") == ("rgb(18, 22, 28)", "rgb(230, 234, 240)")


def test_filter_and_jump(reader: Reader) -> None:
    told = findings(120)
    page = reader.open(Report(told))
    rows = page.locator("tr[data-name]")
    page.get_by_role("searchbox").fill("Bottleneck")
    expected = [layer.name for layer in told.having("bottleneck")]
    shown = [row.get_attribute("data-name") for row in rows.all() if row.is_visible()]
    assert shown == expected
    assert page.get_by_role("status").inner_text() == f"{len(expected)} of 120 layers"
    page.get_by_label("Jump").select_option("layer-77")
    row = page.locator("#layer-77")
    row.wait_for()
    assert page.url.endswith("#layer-77")
    box = row.bounding_box()
    assert box is not None
    assert 0 <= box["y"] < 844
    assert page.get_by_role("searchbox").input_value() == ""


def test_by_key(reader: Reader) -> None:
    page = reader.open(Report(findings(4)))
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the report"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('main') !== null")


def test_without_scripts(reader: Reader) -> None:
    page = reader.open(Report(findings(90)), script=False)
    assert not page.get_by_role("searchbox").is_visible()
    page.locator("details.stage:not([open]) > summary").last.click()
    assert page.locator("tr[data-name]").last.is_visible()


def test_on_paper(reader: Reader) -> None:
    page = reader.open(Report(findings(90)), scheme="dark")
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert not page.locator("nav").is_visible()
    assert all(row.is_visible() for row in page.locator("tr[data-name]").all())
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def test_names_that_attack(reader: Reader) -> None:
    page = reader.open(attacked("".join(ATTACKS)))
    page.get_by_label("Jump").select_option("layer-3")
    page.get_by_role("searchbox").fill("<script>")
    assert page.get_by_role("status").inner_text() == "5 of 5 layers"
