"""A page taken apart, for tests."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

from mnistry.runtime import run_folder

VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}


class Page(HTMLParser):
    """A page taken apart: tags, attributes, and the text that a reader sees, as a whole and in pieces."""

    def __init__(self, folder: Path) -> None:
        super().__init__(convert_charrefs=True)
        self.source = (folder / run_folder.REPORT).read_text(encoding="utf-8")
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.unbalanced: list[str] = []
        self._open: list[str] = []
        self.pieces: list[str] = []
        self.feed(self.source)
        self.close()
        self.unbalanced += self._open
        self.text = " ".join(" ".join(self.pieces).split())
        self.images = [attributes for tag, attributes in self.tags if tag == "img"]
        self.figures = [attributes for tag, attributes in self.tags if tag == "svg"]

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        if self._open and self._open[-1] == tag:
            self._open.pop()
        else:
            self.unbalanced.append(f"/{tag}")

    def handle_data(self, data):
        if not {"style", "title", "script"} & set(self._open):
            self.pieces.append(data)
