"""Two languages from one source: English text marked in the code, and its translation from a gettext catalogue.

The words for people are written in English where they are used, as a `Message`. A `Language` says it. The catalogues
lie in `locale/`; `tools/translate.py` brings them up to date with the code, with Babel.
"""

from __future__ import annotations

import gettext
import importlib.resources
import locale
import os
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

LanguageName = Literal["en", "ko"]
LANGUAGES: tuple[LanguageName, ...] = ("en", "ko")
VARIABLES = ("LC_ALL", "LC_MESSAGES", "LANG")  # in the order in which POSIX looks at them
DOMAIN = "mnistry"
WHOLE = re.compile(r"(?:[^\s`]|`[^`]*`|`)+")  # words, with the code in them in one piece


@dataclass(frozen=True)
class Message:
    """A sentence in English that can be said in other languages.

    Attributes:
        text: with fields for `str.format`; text between backticks is code.
        values: of the fields; messages among them are translated too.
        plural: the text for a number `n` other than one; None where there is only one form.
    """

    text: str
    values: Mapping[str, Any]
    plural: str | None = None

    def __str__(self) -> str:
        """The sentence in English."""
        return Language("en").say(self)


def message(text: str, /, **values: Any) -> Message:
    """A message; Babel finds the text here.

    >>> str(message("{n:,} images", n=60_000))
    '60,000 images'
    """
    return Message(text, values)


def plural(one: str, more: str, /, *, n: int, **values: Any) -> Message:
    """A message that depends on a number.

    >>> str(plural("{n:,} error", "{n:,} errors", n=1)), str(plural("{n:,} error", "{n:,} errors", n=215))
    ('1 error', '215 errors')
    """
    return Message(one, {"n": n, **values}, more)


@dataclass(frozen=True)
class Language:
    """A language in which messages are said."""

    name: LanguageName

    def template(self, said: Message) -> str:
        """The text of a message in this language, its fields still open."""
        if self.name == "en":
            return said.text if said.plural is None or said.values["n"] == 1 else said.plural
        if said.plural is None:
            return _catalogue(self.name).gettext(said.text)
        return _catalogue(self.name).ngettext(said.text, said.plural, said.values["n"])

    def say(self, said: Message | str) -> str:
        """A message as plain text; strings stay as they are."""
        if isinstance(said, str):
            return said
        return self.template(said).format(**self.fill(said))

    def fill(self, said: Message) -> dict[str, Any]:
        """The values of a message, those that are messages said in this language."""
        return {name: self.say(value) if isinstance(value, Message) else value for name, value in said.values.items()}


ENGLISH = Language("en")


@cache
def _catalogue(name: LanguageName) -> gettext.NullTranslations:
    folder = importlib.resources.files("mnistry").joinpath("reporting/locale")
    with folder.joinpath(name, "LC_MESSAGES", f"{DOMAIN}.mo").open("rb") as file:
        return gettext.GNUTranslations(file)


def choose_language(environment: Mapping[str, str] | None = None) -> LanguageName:
    """The language of the machine: Korean where the locale says so, else English.

    >>> [choose_language(each) for each in ({"LANG": "ko_KR.UTF-8"}, {"LANG": "ko_KR", "LC_ALL": "C"}, {"LANG": "fr"})]
    ['ko', 'en', 'en']
    """
    environment = os.environ if environment is None else environment
    named = next((environment[name] for name in VARIABLES if environment.get(name)), None)
    if named is None:
        named = locale.getlocale()[0] or ""  # Windows has no such variables: "Korean_Korea"
    return "ko" if re.match(r"ko\b|ko_|Korean", named) else "en"


def count_columns(text: str) -> int:
    """The columns that a text takes in a terminal: East Asian wide characters take two, combining ones none.

    >>> count_columns("digit"), count_columns("숫자")
    (5, 4)
    """
    return sum(
        0 if unicodedata.combining(each) else 2 if unicodedata.east_asian_width(each) in "WF" else 1 for each in text
    )


def pad(text: str, columns: int, *, right: bool = False) -> str:
    """A text filled up with spaces to `columns` columns: after it, or before it for `right`."""
    space = " " * max(0, columns - count_columns(text))
    return space + text if right else text + space


def wrap(text: str, columns: int) -> list[str]:
    """A text in lines of at most `columns` columns, broken at spaces, but not in code between backticks that fits.

    >>> wrap("일흔 개의 숫자", 9)
    ['일흔 개의', '숫자']
    >>> wrap("or read it: `mnistry read a.png`.", 24)
    ['or read it:', '`mnistry read a.png`.']
    """
    lines: list[str] = []
    whole = WHOLE.findall(text)
    for word in (part for each in whole for part in ([each] if count_columns(each) <= columns else each.split())):
        if lines and count_columns(lines[-1]) + 1 + count_columns(word) <= columns:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines
