"""Self-contained HTML pages: figures, and the text in several languages, are in the page itself."""

from __future__ import annotations

import importlib.resources
import math
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mnistry.reporting.drawing import Drawing, save_png
from mnistry.reporting.language import ENGLISH, Language, Message, message, plural
from mnistry.reporting.text import format_count
from mnistry.runtime import run_folder

if TYPE_CHECKING:
    import jinja2

FIGURES = "figures"
CODE = re.compile(r"`([^`]+)`")
FOLDERS = re.compile(r"(?<![^\s('\"=\[])(?:~|[A-Za-z]:)?[/\\](?:[^\s/\\:'\"]+[/\\])+")  # of an absolute path
INCLUDED = re.compile(r'{% include "([^"]+)" %}')
STRONG = re.compile(r"\*\*([^*]+)\*\*")


def save_figures(drawn: Mapping[str, Drawing], folder: Path) -> None:
    """Write figures as `figures/*.png`."""
    (folder / FIGURES).mkdir(exist_ok=True)
    with ThreadPoolExecutor(1) as beside:  # one is compressed while the next is painted
        saved = [
            beside.submit(save_png, drawing.paint(), folder / FIGURES / f"{name}.png")
            for name, drawing in drawn.items()
        ]
    for each in saved:
        each.result()


def write(html: str, folder: Path) -> None:
    """Write `report.html`."""
    (folder / run_folder.REPORT).write_text(html, encoding="utf-8", errors="replace")


def read_resource(name: str) -> str:
    """The content of a file among the templates."""
    return importlib.resources.files("mnistry").joinpath("reporting/templates", name).read_text(encoding="utf-8")


def render(
    template: str,
    *,
    figures: Mapping[str, Drawing] | None = None,
    languages: Sequence[Language] = (ENGLISH,),
    **facts: Any,
) -> str:
    """A page out of a template, with the filters and the date that all of them use.

    Args:
        template: the name of its file.
        figures: drawings; `figure(name, label)` puts one into the page.
        languages: of the page's words, the first one shown; scripts can switch to the others.
        facts: further names for the template.
    """
    import markupsafe

    words = Words(languages)

    def figure(name: str, label: Message) -> markupsafe.Markup:
        drawing = (figures or {})[name]
        attributes = f' role="img" {words.attribute("aria-label", label)}'
        inside = partial(words, element="tspan")  # a span would end the SVG
        return markupsafe.Markup(drawing.svg(attributes, inside))  # noqa: S704 - made of numbers and escaped words

    names = {
        "t": lambda text, /, **values: words(message(text, **values)),
        "tn": lambda one, more, /, **values: words(plural(one, more, **values)),
        "say": words,
        "attribute": lambda name, text, /, **values: words.attribute(name, message(text, **values)),
        "figure": figure,
        "words": words,
        "phrase": words.number,
        "written": f"{datetime.now(UTC):%Y-%m-%d}",
        "language": languages[0],
    }
    return _environment().get_template(template).render(names | facts)


def compile_template(name: str) -> None:
    """Compile a template and those that it includes, which takes longer than filling them in."""
    for each in (name, *INCLUDED.findall(read_resource(name))):
        _environment().get_template(each)


@cache
def _environment() -> jinja2.Environment:
    """The templates, with the filters and names that are the same for all pages."""
    import jinja2
    import markupsafe

    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(read_resource),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "share": format_share,
        "count_of": "{:,}".format,
        "counted": format_count,
        "shareable": hide_folders,
    }
    environment.globals |= {
        "message": message,
        "resource": lambda name: markupsafe.Markup(read_resource(name)),  # noqa: S704 - files of ours
    }
    return environment


class Words:
    """The words of a page, said in its first language, and kept in all of them for a switch.

    A page in one language has its words as they are. In a page of several, each text is in an element with its number,
    `data-t`, and `others` holds all texts by their numbers.
    """

    def __init__(self, languages: Sequence[Language]) -> None:
        """Start without any text; the first language is the one shown."""
        self.languages = languages
        self.others: list[list[str]] = []

    def __call__(self, said: Message | str, element: str = "span") -> Any:
        """A text as the content of an element."""
        from markupsafe import Markup, escape

        if isinstance(said, str):
            return escape(said)
        texts = [self._mark_up(language, said) for language in self.languages]
        content = Markup(texts[0])  # noqa: S704 - its values are escaped
        if len(set(texts)) == 1:
            return content
        return Markup('<{0} data-t="{1}">{2}</{0}>').format(element, self._kept(texts), content)

    @property
    def names(self) -> list[str]:
        """The names of the languages."""
        return [language.name for language in self.languages]

    def number(self, text: str) -> int:
        """The number of a text that a script fills in."""
        return self._kept([language.template(message(text)) for language in self.languages])

    def attribute(self, name: str, said: Message) -> Any:
        """An attribute of an element; not of one that has a translated text too."""
        from markupsafe import Markup

        texts = [language.say(said).replace("`", "").replace("**", "") for language in self.languages]
        if len(set(texts)) == 1:
            return Markup('{}="{}"').format(name, texts[0])
        return Markup('{}="{}" data-t-attribute="{} {}"').format(name, texts[0], name, self._kept(texts))

    def _kept(self, texts: list[str]) -> int:
        self.others.append(texts)
        return len(self.others) - 1

    def _mark_up(self, language: Language, said: Message) -> str:
        from markupsafe import Markup, escape

        text = STRONG.sub(r"<b>\1</b>", CODE.sub(r"<code>\1</code>", str(escape(language.template(said)))))
        return str(Markup(text).format(**language.fill(said)))  # noqa: S704 - the values are escaped by this


def format_share(value: float, decimals: int = 2) -> str:
    """A part of a whole in percent; "none" where there is no whole.

    >>> format_share(0.12345), format_share(float("nan"))
    ('12.35%', 'none')
    """
    return "none" if math.isnan(value) else f"{value:.{decimals}%}"


def hide_folders(text: str) -> str:
    """A text without the folders of this machine: only the last part of each path stays.

    >>> hide_folders("mnistry tutorial --data-dir /home/kim/data/mnist --seed 0; http://127.0.0.1/b/c.gz")
    'mnistry tutorial --data-dir …/mnist --seed 0; http://127.0.0.1/b/c.gz'
    """
    return FOLDERS.sub("…/", text)
