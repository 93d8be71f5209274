"""Draw docs/page.png and docs/report.png: the page of `mnistry serve` and the top of the lesson's report, in Chromium.

MNISTRY_DATA_DIR=... python tools/draw_page.py
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from helpers import pictures  # noqa: E402 - found by the line above
from helpers.browsing import launched, write  # noqa: E402 - as above
from helpers.running import running, serve  # noqa: E402 - as above

if TYPE_CHECKING:
    from playwright.sync_api import Browser

PAGE = {"width": 1280, "height": 900}
REPORT = {"width": 1000, "height": 960}


def main() -> None:
    """Write both pictures."""
    with tempfile.TemporaryDirectory() as folder, launched() as browser:
        _draw_page(browser, Path(folder))
        _draw_report(browser, Path(folder))


def _draw_page(browser: Browser, folder: Path) -> None:
    """Write three digits on the pad and show what mattered."""
    with running(folder, *serve()) as server:
        page = browser.new_page(viewport=PAGE)
        page.goto(server.address)
        write(page, "208", left=0.1, top=0.3, height=0.36)
        page.locator(".digit").nth(2).wait_for()
        page.locator("#answered[aria-busy=false]").wait_for()
        page.get_by_label("What mattered").check()
        page.locator(".image[data-heat]").nth(2).wait_for()
        page.screenshot(path=folder / "page.png")
    pictures.keep(folder / "page.png", "page.png")


def _draw_report(browser: Browser, folder: Path) -> None:
    """Run the lesson on MNIST and show the top of its report."""
    command = [sys.executable, "-m", "mnistry", "tutorial", "--dataset", "mnist", "--out", str(folder / "run")]
    subprocess.run(command, check=True, env=os.environ, stdout=subprocess.DEVNULL)  # noqa: S603 - our own command
    page = browser.new_page(viewport=REPORT)
    page.goto((folder / "run" / "report.html").as_uri())
    page.screenshot(path=folder / "report.png")
    pictures.keep(folder / "report.png", "report.png")


if __name__ == "__main__":
    main()
