"""Draws docs/page.png: the page of `mnistry serve` in Chromium, with digits written on it.

python tools/draw_page.py
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
SIZE = {"width": 1280, "height": 800}


def main() -> None:
    """Writes the picture."""
    sys.path.insert(0, str(ROOT / "tests"))
    from browsing import launched, write
    from running import running, serve

    with (
        tempfile.TemporaryDirectory() as folder,
        running(Path(folder), *serve()) as server,
        launched() as browser,
    ):
        page = browser.new_page(viewport=SIZE)
        page.goto(server.address)
        write(page, "208", left=0.1, top=0.3, height=0.36)
        page.locator(".digit").nth(2).wait_for()
        page.locator("#answered[aria-busy=false]").wait_for()
        page.get_by_label("What mattered").check()
        page.locator(".image[data-heat]").nth(2).wait_for()
        page.screenshot(path=ROOT / "docs" / "page.png")


if __name__ == "__main__":
    main()
