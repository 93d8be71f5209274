"""A real browser for tests, and writing on the page's pad with its mouse."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Page, sync_playwright

from helpers.writing import STROKES, curve

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def found() -> str | None:
    """The path of the machine's Chromium; None if there is none."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


@contextmanager
def launched() -> Iterator[Browser]:
    """The machine's Chromium, without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found(), args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


def write(page: Page, text: str, *, left: float = 0.12, top: float = 0.18, height: float = 0.6) -> None:
    """Writes digits on the pad with the mouse; sizes are parts of the pad's height."""
    pad = page.locator("#pad").bounding_box()
    assert pad is not None
    width, x = height * pad["height"] / 1.6, pad["x"] + left * pad["height"]
    for character in text:
        for stroke in STROKES[character]:
            points = [(x + px * width, pad["y"] + top * pad["height"] + py * width) for px, py in curve(stroke, 5)]
            page.mouse.move(*points[0])
            page.mouse.down()
            for point in points[1:]:
                page.mouse.move(*point)
            page.mouse.up()
        x += 1.45 * width
