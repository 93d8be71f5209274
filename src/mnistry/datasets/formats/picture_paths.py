"""Pictures that a list names: found beside it, in the usual folders, or in the one that has them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from mnistry.datasets.formats.naming import is_hidden
from mnistry.ocr.image_io import SUFFIXES

MAX_FOLDERS = 300  # below a list of files, in which its pictures are looked for
FOLDERS = ("images", "image", "img", "imgs", "pictures", "data", "train", "test", "train_images", "test_images")


def is_picture_name(cell: str) -> bool:
    """Tell whether a cell ends like the name of a picture."""
    return Path(cell.strip()).suffix.lower() in SUFFIXES


def find_picture(folder: Path, name: str) -> Path | None:
    """The picture that a cell names, relative to the table, in a usual folder beside it, or in the one that has it."""
    if not name or "\0" in name or len(name) > 1000:
        return None
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]
    if ".." in parts:
        return None
    tails = [Path(*parts[start:]) for start in range(len(parts))]  # the beginning may be another computer's
    usual = (folder, *(folder / inner for inner in FOLDERS))
    found = next((place for tail in tails if (place := _picture_at(usual, tail)) is not None), None)
    if found is not None or not tails:
        return found
    below = _folders_below(folder)
    others = [place for each in below if (place := _picture_at((each,), tails[-1])) is not None]
    others = others or [
        place for each in dict.fromkeys((*usual, *below)) if (place := _find_by_lower_name(each, tails[-1].name))
    ]
    return others[0] if len(others) == 1 else None


def forget_folders() -> None:
    """Let `find_picture` list the folders again: they may have changed since another table was read."""
    _folders_below.cache_clear()
    _pictures_by_name.cache_clear()


def _find_by_lower_name(folder: Path, name: str) -> Path | None:
    """The picture whose name differs in capital letters only, or by an ending that was left out; None if not one."""
    found = _pictures_by_name(folder).get(name.lower(), ())
    return found[0] if len(found) == 1 else None


@lru_cache(maxsize=64)
def _pictures_by_name(folder: Path) -> dict[str, list[Path]]:
    """The pictures in a folder, by their names in lower case, with and without an ending."""
    found: dict[str, list[Path]] = {}
    for each in folder.iterdir() if folder.is_dir() else ():
        if is_picture_name(each.name):
            found.setdefault(each.name.lower(), []).append(each)
            found.setdefault(each.stem.lower(), []).append(each)
    return found


@lru_cache(maxsize=8)
def _folders_below(folder: Path) -> tuple[Path, ...]:
    """The folders in a folder and in these; none if they are too many, as a picture may be in any of them."""
    try:
        first = [each for each in folder.iterdir() if each.is_dir() and not is_hidden(each.name)]
        second = [inner for each in first[:MAX_FOLDERS] for inner in each.iterdir() if inner.is_dir()]
    except OSError:
        return ()
    return (*first, *second) if len(first) + len(second) <= MAX_FOLDERS else ()


def _picture_at(places: Sequence[Path], relative: Path) -> Path | None:
    names = (
        [relative]
        if is_picture_name(relative.name)
        else [relative.with_name(relative.name + end) for end in (".png", ".jpg")]
    )
    try:
        return next((place / each for place in places for each in names if (place / each).is_file()), None)
    except OSError:
        return None
