"""One label file per picture: 7.txt beside 7.png, as WebDataset and labelling tools write them."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from mnistry.datasets.formats import naming, unsupported
from mnistry.datasets.formats.cells import clean_label
from mnistry.errors import DataError
from mnistry.ocr.image_io import SUFFIXES
from mnistry.runtime.file_signatures import read_start
from mnistry.runtime.files import read_bytes, short

ENDINGS = (".txt", ".cls", ".json", ".xml")
PICTURES = {"images", "image", "imgs", "jpegimages", "pictures"}  # names of folders of pictures, in any case
LABELS = {"labels", "label", "annotations", "annotation"}  # and of the files for them beside it
LEAST = 0.5  # share of pictures that have such a file
MAX_BYTES, MAX_LIST = 1_000_000, 500_000_000  # of one label, and of all labels of a set
MAX_LABEL = 80  # characters
BOXES = re.compile(r"\d+( +\d*\.?\d+(e-\d+)?){4,}", re.IGNORECASE)  # YOLO: class, centre and size; or a polygon
REGIONS = ("shapes", "annotations", "objects", "regions", "bbox")  # keys of files that label parts of pictures
CUT_OUT = (
    "Whole pictures are learnt here: cut the parts out, each into a folder named after its class, or list whole "
    "pictures in labels.csv"
)


def read(pictures: Sequence[Path]) -> tuple[list[str], str] | None:
    """Read the labels of pictures in the files that lie beside them.

    Returns:
        The labels, and the ending of the files; None where there are no such files.

    Raises:
        DataError: a picture has none, or they hold something else than a label.
    """
    find_folders.cache_clear()  # there may be others since
    found = [_find(each) for each in pictures]
    ending = next((each.suffix for each in found if each is not None), "")
    if sum(each is not None for each in found) <= LEAST * len(pictures):
        return None
    labels = []
    for picture, file in zip(pictures, found, strict=True):
        if file is None:
            raise DataError(f"{short(picture)} has no {ending} file with its label beside it, as the others have.")
        labels.append(_read(file))
    return labels, ending


def _find(picture: Path) -> Path | None:
    """The file with the label of a picture."""
    folder = next((each for each in picture.parents if each.name.lower() in PICTURES), None)
    beside = (
        [] if folder is None else [each / picture.parent.relative_to(folder) for each in find_folders(folder.parent)]
    )
    places = [each / picture.with_suffix(end).name for each in (picture.parent, *beside) for end in ENDINGS]
    return next((each for each in places if each.is_file()), None)


@lru_cache(maxsize=8)
def find_folders(folder: Path) -> tuple[Path, ...]:
    """The folders for labels in a folder."""
    return tuple(each for each in folder.iterdir() if each.name.lower() in LABELS and each.is_dir())


def explain(folder: Path) -> str:
    """Name the files beside pictures that hold labels of another kind, and what to do: a sentence; empty if none do."""
    places = [folder, *find_folders(folder), *find_folders(folder.parent)]
    files = sorted(each for place in places for each in place.iterdir() if each.is_file() and each.name[0] != ".")
    for each in files:
        start = read_start(each)
        if each.suffix.lower() == ".json" and b'"images"' in read_bytes(each, MAX_LIST):
            return f" {each.name} labels parts of pictures, as COCO does. {CUT_OUT}."
        told = unsupported.describe(each, start) if each.suffix.lower() not in SUFFIXES else None
        if told is not None:
            return f" Beside them: {told}"
    return ""


def _read(file: Path) -> str:
    if file.stat().st_size > MAX_BYTES:
        raise DataError(f"{short(file)} is larger than a label.")
    try:
        text = file.read_text("utf-8-sig").strip()
    except UnicodeDecodeError:
        raise DataError(f"{short(file)} is not text in UTF-8.") from None
    if file.suffix == ".xml":
        raise DataError(f"{short(file)} labels parts of a picture, as Pascal VOC does. {CUT_OUT}.")
    if file.suffix == ".json":
        return _read_json(text, file)
    if any(map(BOXES.fullmatch, text.splitlines())):
        raise DataError(f"{short(file)} labels parts of a picture, as YOLO does: class, place and size. {CUT_OUT}.")
    if not text or len(text) > MAX_LABEL or "\n" in text:
        raise DataError(f"{short(file)} must hold the class of its picture in one line; received {text[:40]!r}.")
    return clean_label(text)


def _read_json(text: str, file: Path) -> str:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        raise DataError(f"{short(file)} is damaged: it is not JSON.") from None
    keys = content if isinstance(content, dict) else {"label": content}
    name = naming.find_named([key for key, value in keys.items() if isinstance(value, str | int)], naming.LABELS)
    if name is not None and not isinstance(keys[name], bool):
        return clean_label(str(keys[name]))
    if any(key in REGIONS for key in keys):
        raise DataError(f"{short(file)} labels parts of a picture. {CUT_OUT}.")
    raise DataError(f"{short(file)} has no key label; its keys are {', '.join(keys) or 'none'}.")
