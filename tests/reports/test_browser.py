"""The report in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nas_assistant.assistant import Result

from .browser import NAMES, Browser, find_browser

VISIBLE = """(selector => {
  const found = [...document.querySelectorAll(selector)];
  const shows = box => box.width > 0 && box.height > 0;
  return found.length > 0 && found.every(one => shows(one.getBoundingClientRect()));
})"""
COLUMN = "[...document.querySelectorAll('.candidates tbody tr')].map(r => r.cells[{}].dataset.v)"


def require_browser() -> str:
    executable = find_browser()
    if executable is None:
        pytest.skip(f"no browser: none of {', '.join(NAMES)} is installed (apt-get install chromium)")
    return executable


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory, page: Path) -> Iterator[Browser]:
    made = Browser(require_browser(), tmp_path_factory.mktemp("browser") / "profile")
    try:
        made.resize(1280, 900)
        made.open(page)
        yield made
    finally:
        made.close()


def test_everything_shows(browser: Browser, page: Path, tmp_path: Path) -> None:
    for selector in (
        "#facts div",
        ".head",
        "tr.added",
        "tr.removed",
        "table.source tr[data-line]",
        "table.candidates tbody tr",
        "svg.curve path.best",
        "svg.map polyline.way, svg.map .end",
    ):
        assert browser.evaluate(f"{VISIBLE}({selector!r})"), selector
    rows = "[...document.querySelectorAll('.source tr')]"
    colours = browser.evaluate(f"{rows}.map(row => getComputedStyle(row).backgroundColor)")
    assert len(set(colours)) > 2
    browser.screenshot(tmp_path / "report.png")
    assert (tmp_path / "report.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "report.png").stat().st_size > 20_000


def test_nothing_of_a_source_or_an_answer_runs_and_nothing_is_asked_for(browser: Browser, page: Path) -> None:
    assert browser.evaluate("typeof window.pwned") == "undefined"
    assert browser.evaluate("document.scripts.length") == 1
    assert [url for url in browser.requests if url != "about:blank"] == [page.resolve().as_uri()]
    assert browser.console == []


def test_the_table_sorts(browser: Browser) -> None:
    click = "document.querySelectorAll('.candidates th button')[{}].click()"
    browser.evaluate(click.format(3))
    found = browser.evaluate(COLUMN.format(3))
    known = [float(value) for value in found if value]
    assert known == sorted(known, reverse=True) and found[len(known) :] == [""] * 2
    browser.evaluate(click.format(3))
    assert [float(value) for value in browser.evaluate(COLUMN.format(3)) if value] == sorted(known)
    assert browser.evaluate("document.querySelectorAll('[aria-sort=ascending]').length") == 1
    browser.evaluate(click.format(0))
    assert browser.evaluate(COLUMN.format(0)) == ["1", "2", "3", "4", "5"]


def test_the_diff_is_copied_letter_for_letter(browser: Browser, result: Result) -> None:
    assert browser.evaluate("document.querySelector('[data-copy]').dataset.copy") == result.diff


def test_a_line_tells_its_layers_when_it_is_tapped(browser: Browser) -> None:
    tip = "getComputedStyle(document.querySelector('.source tr[data-line] .tip')).display"
    assert browser.evaluate(tip) == "none"
    browser.evaluate("document.querySelector('.source tr[data-line]').focus()")
    assert browser.evaluate(tip) == "block"
    browser.evaluate("document.activeElement.blur()")


def test_a_phone_and_the_dark(browser: Browser) -> None:
    back = "getComputedStyle(document.body).backgroundColor"
    light = browser.evaluate(back)
    browser.resize(390, 844)
    try:
        assert browser.evaluate("document.documentElement.scrollWidth") <= 390
        dark = {"name": "prefers-color-scheme", "value": "dark"}
        browser.call("Emulation.setEmulatedMedia", features=[dark])
        assert browser.evaluate(back) != light
    finally:
        browser.call("Emulation.setEmulatedMedia", features=[])
        browser.resize(1280, 900)
    assert browser.console == []
