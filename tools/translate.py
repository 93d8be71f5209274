"""Bring the Korean catalogue up to date with the code: new texts come in untranslated, and the compiled file follows.

python tools/translate.py
"""

from __future__ import annotations

from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "mnistry"
FOLDER = SOURCE / "reporting" / "locale"
KOREAN = FOLDER / "ko" / "LC_MESSAGES" / "mnistry.po"
PAGES = ("reporting/templates/lesson.html", "reporting/templates/draw.html", "reporting/templates/draw_script.html")
METHODS = [
    ("cli/progress.py", "python"),
    ("cli/tutorial.py", "python"),
    ("reporting/plots.py", "python"),
    ("training/report.py", "python"),
    ("training/lesson/**.py", "python"),
    *((page, "jinja2.ext.babel_extract") for page in PAGES),
]
KEYWORDS = {"message": None, "plural": (1, 2), "t": None, "tn": (1, 2), "attribute": (2,), "phrase": None}
JINJA = {"silent": "false", "trim_blocks": "true", "lstrip_blocks": "true"}


def template() -> Catalog:
    """All texts of the code, untranslated."""
    catalogue = Catalog(project="mnistry", charset="utf-8", fuzzy=False)
    found = extract_from_dir(
        SOURCE,
        METHODS,
        options_map=dict.fromkeys(PAGES, JINJA),
        keywords=KEYWORDS,
        comment_tags=(),
        strip_comment_tags=False,
    )
    for file, _, text, _, _ in found:
        catalogue.add(text, None, [(file, None)])
    return catalogue


def korean() -> Catalog:
    """The Korean catalogue as it is on disk."""
    with KOREAN.open("rb") as file:
        return read_po(file, locale="ko", charset="utf-8")


def updated() -> Catalog:
    """The Korean catalogue with all texts of the code and no others."""
    catalogue = korean()
    catalogue.update(template(), no_fuzzy_matching=True)
    catalogue.obsolete.clear()
    return catalogue


def main() -> None:
    """Write the catalogue and its compiled form."""
    catalogue = updated()
    with KOREAN.open("wb") as file:
        write_po(file, catalogue, width=110, sort_output=False, include_lineno=False, omit_header=False)
    with KOREAN.with_suffix(".mo").open("wb") as file:
        write_mo(file, catalogue)
    missing = [text.id for text in catalogue if text.id and not all(_strings(text.string))]
    print(f"{len(catalogue)} texts, {len(missing)} of them not yet in Korean")
    for text in missing:
        print(f"  {text}")


def _strings(string: str | tuple[str, ...] | list[str] | None) -> tuple[str, ...]:
    return (string,) if isinstance(string, str) else tuple(string or ("",))


if __name__ == "__main__":
    main()
