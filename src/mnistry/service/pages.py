"""The page's files and the model's card, which come with the package."""

from __future__ import annotations

import re
from functools import cache
from html import escape
from importlib import resources
from pathlib import Path

from markdown_it import MarkdownIt

STATIC_FOLDER = Path(str(resources.files("mnistry"))) / "service" / "static"
CARD_FILE = Path(str(resources.files("mnistry"))) / "models" / "weights" / "MODEL_CARD.md"
PAGES = {"/": "index.html", "/docs": "docs.html", "/favicon.svg": "icon.svg"}
CARD = "/model-card"
EMPTY_HEAD = re.compile(r"<thead>\s*<tr>\s*(?:<th></th>\s*)+</tr>\s*</thead>\s*")
FRAME = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>mnistry: model card</title>
<link rel="icon" href="favicon.svg" type="image/svg+xml">
<link rel="stylesheet" href="static/style.css">
</head>
<body>
<header class="top"><h1><a href="./">mnistry</a></h1><p>The model's card</p></header>
<main class="document">
{content}
</main>
</body>
</html>
"""


@cache
def render_model_card() -> bytes:
    """The model's card as an HTML page."""
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    try:
        content = markdown.render(CARD_FILE.read_text(encoding="utf-8"))
    except OSError as error:
        content = f"<p>The card cannot be read: {escape(str(error.strerror))}.</p>"
    content = EMPTY_HEAD.sub("", content).replace("<th></th>", "<td></td>")  # a heading without text says nothing
    scrolled = content.replace("<table>", '<div class="scroll" tabindex="0" role="group" aria-label="Table"><table>')
    return FRAME.format(content=scrolled.replace("</table>", "</table></div>")).encode()
