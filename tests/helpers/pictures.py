"""The documentation's pictures of pages: each carries a digest of what it was drawn from."""

from __future__ import annotations

import hashlib
from pathlib import Path

from PIL import Image, PngImagePlugin

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
SOURCES = {
    "page.png": [
        "src/mnistry/service/static/*.html",
        "src/mnistry/service/static/*.js",
        "src/mnistry/service/static/*.css",
    ],
    "report.png": ["src/mnistry/reporting/templates/*.html", "src/mnistry/training/report.py"],
}
KEY = "drawn-from"


def digest(name: str) -> str:
    """The SHA-256 of all files that decide how a picture looks."""
    paths = sorted(path for pattern in SOURCES[name] for path in ROOT.glob(pattern))
    assert paths
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in paths)).hexdigest()


def keep(screenshot: Path, name: str) -> None:
    """Puts a screenshot into docs/, in few colours and with its digest."""
    facts = PngImagePlugin.PngInfo()
    facts.add_text(KEY, digest(name))
    with Image.open(screenshot) as image:
        small = image.convert("RGB").quantize(256, dither=Image.Dither.NONE)
        small.save(DOCS / name, pnginfo=facts, optimize=True)


def kept(name: str) -> str:
    """The digest that a picture in docs/ carries; empty where it has none."""
    with Image.open(DOCS / name) as image:
        image.load()
        return str(image.info.get(KEY, ""))
