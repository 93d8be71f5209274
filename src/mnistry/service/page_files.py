"""The page's files, which come with the package, and what they are served as."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib import resources

FOLDER = "service/static"
TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
FILES = {
    "/": "index.html",
    "/api": "api.html",
    "/page/style.css": "style.css",
    "/page/main.js": "main.js",
    "/page/pad.js": "pad.js",
    "/page/client.js": "client.js",
    "/page/view.js": "view.js",
    "/page/api.js": "api.js",
    "/favicon.svg": "icon.svg",
}
CARD, CARD_FILE = "/model-card", "models/weights/MODEL_CARD.md"
PATHS = frozenset((*FILES, CARD))


@dataclass(frozen=True)
class PageFile:
    """A file as it is served.

    Attributes:
        content: its bytes.
        media_type: of HTTP.
        tag: an entity tag, by which a browser knows whether it has it already.
    """

    content: bytes
    media_type: str
    tag: str


def load() -> dict[str, PageFile]:
    """All files by path. The model's card is among them where it is there."""
    package = resources.files("mnistry")
    files = {path: _file((package / FOLDER / name).read_bytes(), name) for path, name in FILES.items()}
    card = package / CARD_FILE
    if card.is_file():
        files[CARD] = _file(card.read_bytes(), CARD_FILE)
    return files


def _file(content: bytes, name: str) -> PageFile:
    media_type = TYPES.get(name.rpartition(".")[2], "text/plain; charset=utf-8")
    return PageFile(content, media_type, f'"{hashlib.sha256(content).hexdigest()[:20]}"')
