"""Folders of tables: one per split or class, parts of one table, or images and labels apart."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np

from mnistry.datasets.formats import naming, parquet
from mnistry.datasets.formats.cells import Cell, clean_label, count_up, find_hot, is_number, is_one_hot, text
from mnistry.datasets.formats.columns import OtherColumnsError
from mnistry.datasets.formats.naming import find_split
from mnistry.datasets.formats.picture_paths import find_picture
from mnistry.datasets.formats.table_rows import is_libsvm, open_rows
from mnistry.datasets.formats.tables import Table, read_parts
from mnistry.datasets.formats.text_lines import read_first_line
from mnistry.datasets.labelled import SPLITS, LabelledImages, LoadedSplits, ValidationErrors, join, list_names, natural
from mnistry.errors import DataError
from mnistry.ocr.image_io import SUFFIXES
from mnistry.runtime.files import short

PACKED = ("", ".gz", ".bz2", ".xz")
ENDINGS = tuple(name + packed for name in (".csv", ".tsv", ".arff", ".jsonl", ".ndjson") for packed in PACKED)
LIBSVM_ENDINGS = {".t": "test", ".val": "validation"}
UCI_ENDINGS = {".tra": "train", ".tes": "test"}  # as of optdigits and pendigits
FIRST = 20_000  # bytes of the first line
LEAST_CELLS = 64  # numbers in a line of a table whose name does not say that it is one
MAX_LIST, MAX_LISTS = 50_000_000, 4  # bytes of a list in JSON, and the number of such files in a folder
MAX_COLUMNS = 256  # of a table of labels


def find_tables(folder: Path) -> list[Path]:
    """The tables of a folder: by their names, else by their first lines."""
    files = [each for each in folder.iterdir() if not naming.is_hidden(each.name) and each.is_file()]
    named = [each for each in files if each.name.lower().endswith(ENDINGS)]
    if named:
        return sorted(named, key=lambda path: natural(path.name))
    lists = [each for each in files if each.suffix.lower() == ".txt" and _lists_pictures(each)]
    rows = [each for each in files if each.suffix.lower() == ".json" and each.stat().st_size <= MAX_LIST]
    lists += [each for each in rows if len(rows) <= MAX_LISTS and _find_content(each) == "list"]
    others = [] if lists else [each for each in files if each.suffix.lower() not in SUFFIXES]
    return sorted(lists or [each for each in others if is_libsvm(each) or _holds_numbers(each)])


def find_image_tables(folder: Path) -> list[Path]:
    """The tables of a folder that may hold images: no submissions, labels alone, or lists of pictures."""
    tables = [each for each in find_tables(folder) if not _is_submission(each)]
    return [each for each in tables if _find_content(each) in ("images", "other")]


def _is_submission(path: Path) -> bool:
    return "submission" in path.name.lower()


def is_one(path: Path, start: bytes) -> bool:
    """Tell whether a file is surely a table: Parquet or Arrow by its first bytes, or JSON by its name."""
    return parquet.is_one(start) or _strip_packing(path.name)[0].lower().endswith((".jsonl", ".ndjson", ".json"))


def _lists_pictures(path: Path) -> bool:
    """Tell whether a text names a picture and its label in its first line."""
    cells = _first_cells(path)
    return len(cells) == 2 and find_picture(path.parent, cells[0]) is not None


def _holds_numbers(path: Path) -> bool:
    """Tell whether a file begins with a line of many numbers."""
    cells = _first_cells(path)
    return len(cells) >= LEAST_CELLS and all(map(is_number, cells[1:-1]))


def _first_cells(path: Path) -> list[str]:
    """The cells of a text's first line, whatever parts them; none where it cannot be unpacked."""
    return re.split(r"\s*[\s,;|]\s*", read_first_line(path, FIRST).decode("utf-8", "replace").strip())


def read(path: Path) -> LoadedSplits:
    """Read one table, or a folder with tables of the splits.

    Raises:
        DataError: a file cannot be read, is not such a table, or has wrong rows; the message names them.
    """
    remarks = list[str]()
    if path.is_dir():
        return read_splits(path, _by_split(path, remarks), remarks)
    tables = {"train": [path]}
    for split, other in _find_other_splits(path).items():
        remarks.append(f"{short(path)}: taken with {other.name} beside it, its {split} split.")
        tables[split] = [other]
    return read_splits(path, tables, remarks)


def find_split_tables(splits: Mapping[str, Sequence[Path]]) -> dict[str, list[Path]]:
    """The tables in folders of the splits, as `train/metadata.csv` beside its pictures; none if it has no such."""
    found = {split: [table for folder in folders for table in find_tables(folder)] for split, folders in splits.items()}
    return found if found.get("train") else {}


def read_splits(path: Path, tables: Mapping[str, list[Path]], remarks: list[str]) -> LoadedSplits:
    """Read the tables of each split of a file or folder.

    Raises:
        DataError: a file cannot be read, is not such a table, or has wrong rows; the message names them.
    """
    problems = ValidationErrors()
    parts: dict[str, LabelledImages] = {}
    for split, those in tables.items():
        if not those:
            remarks.append(f"{short(path)}: passed over the {split} folder: there is no table in it.")
            continue
        for name, part in _read_split(path, those, split, problems, remarks).items():
            parts[name] = join([parts[name], part]) if name in parts else part
    problems.refuse(short(path))
    if "train" not in parts:
        raise DataError(f"{short(path)} has no rows to train on, only for {' and '.join(parts) or 'nothing'}.")
    return LoadedSplits(**parts, remarks=tuple(dict.fromkeys(remarks)))


def _read_split(
    path: Path, tables: list[Path], split: str, problems: ValidationErrors, remarks: list[str]
) -> dict[str, LabelledImages]:
    """Read the tables of one split: one; images and labels apart; one for each class; or parts that are joined.

    Raises:
        DataError: there are several that are none of these.
    """
    if len(tables) == 1 or tables[0].name.endswith(parquet.ENDINGS):
        return _join_tables(tables, split, problems, remarks)
    labels = {table: found for table in tables if (found := _read_labels(table)) is not None}
    images = [table for table in tables if table not in labels]
    if len(images) == len(labels) == 1:
        return {split: _pair_tables(images[0], *next(iter(labels.items())), problems, remarks)}
    opened = [] if labels else [Table(table) for table in tables]
    if opened and not any(table.layout.labelled or table.layout.files is not None for table in opened):
        classes = naming.strip_prefix([_stem(table) for table in tables])
        remarks.append(f"{short(path)}: each table holds the images of a class: {list_names(classes)}.")
        unlabelled = [_without_labels(table, problems, remarks) for table in opened]
        labelled = [
            replace(part, labels=np.full(len(part.images), name))
            for part, name in zip(unlabelled, classes, strict=True)
        ]
        return {split: join(labelled)}
    if not labels and len({re.sub(r"\d+", "#", table.name) for table in tables}) == 1:
        remarks.append(f"{short(path)}: {list_names([table.name for table in tables])} are parts of one table.")
        return _join_tables(tables, split, problems, remarks)
    raise DataError(
        f"{short(path)} holds several tables for {split}: {list_names([each.name for each in tables])}. Name "
        "one of them, or keep one set in a folder."
    )


def _join_tables(
    tables: Sequence[Path], split: str, problems: ValidationErrors, remarks: list[str]
) -> dict[str, LabelledImages]:
    several = [read_parts(table, split, problems, remarks) for table in tables]
    joined = {name: [each[name] for each in several if name in each] for name in SPLITS}
    return {name: join(parts) for name, parts in joined.items() if parts}


def _pair_tables(
    images: Path, table: Path, labels: Sequence[str], problems: ValidationErrors, remarks: list[str]
) -> LabelledImages:
    """The images of one table with the labels of another."""
    part = _without_labels(Table(images), problems, remarks)
    if len(part.images) != len(labels) and not problems.count:
        raise DataError(
            f"{short(images)} has {len(part.images):,} images, but {table.name} has {len(labels):,} labels: they do "
            "not match."
        )
    remarks.append(f"{short(images)}: the labels are those in {table.name}.")
    return replace(part, labels=np.array(labels, np.str_))


def _without_labels(table: Table, problems: ValidationErrors, remarks: list[str]) -> LabelledImages:
    """The images of a table without labels."""
    if table.layout.labelled or table.layout.files is not None:
        raise DataError(f"{table.name} has labels of its own, and there are others beside it. Keep one of them.")
    part, _ = table.read(problems)
    remarks += table.assumed
    return part


def _read_labels(path: Path) -> list[str] | None:
    """Read a table of labels alone: a column of them, perhaps with another that counts rows, or one-hot ones.

    Returns:
        The labels; None where the table holds something else.
    """
    table = open_rows(path)
    rows = [] if table.names is None else [list[Cell](table.names)]
    for _, cells in table:
        rows.append(cells)
        if len(cells) > MAX_COLUMNS or len(cells) != len(rows[0]):
            return None
    head = list(map(text, rows[0]))
    numbered = len(head) > 2 and head == [str(number) for number in range(len(head))]  # as pandas numbers columns
    named = not all(map(is_number, head)) and all(map(is_number, rows[-1]))
    if numbered or named or naming.find_named(head, naming.LABELS):
        del rows[0]
    else:
        head = [str(number) for number in range(len(head))]
    indexed = len(head) > 1 and (head[0].lower() in naming.INDICES or count_up([row[0] for row in rows]))
    columns = range(int(indexed), len(head))
    if len(columns) > 1 and is_one_hot(rows, columns, all_of_them=True):
        return [head[columns[find_hot([row[n] for n in columns]) or 0]] for row in rows]
    return [clean_label(row[columns[0]]) for row in rows] if len(columns) == 1 else None


def _by_split(folder: Path, remarks: list[str]) -> dict[str, list[Path]]:
    """The tables of a folder by split; what else is there is remarked on."""
    tables = [each for each in find_tables(folder) if not _is_submission(each)]
    unpacked = {each.name for each in tables}
    tables = [
        each for each in tables if not unpacked & {each.name.removesuffix(end) for end in PACKED[1:]} - {each.name}
    ]
    if len(tables) > 1:
        tables = [each for each in tables if _find_content(each) != "other"] or tables
    named = {_split_of(each) for each in tables} - {None}
    unnamed = [each for each in tables if _split_of(each) is None]
    is_train = len(unnamed) == 1 and "train" not in named
    found: dict[str, list[Path]] = {}
    for table in tables:
        if not named or is_train or table not in unnamed:
            found.setdefault(_split_of(table) or "train", []).append(table)
    taken = {table for those in found.values() for table in those}
    others = [each.name for each in find_tables(folder) if each not in taken]
    folders = sorted(each.name for each in folder.iterdir() if each.is_dir() and not naming.is_hidden(each.name))
    if named and is_train:
        remarks.append(f"{short(folder)}: {unnamed[0].name} is taken for training.")
    if others:
        remarks.append(f"{short(folder)}: passed over {list_names(others)}.")
    if folders and not any(_find_content(table) == "list" for table in taken):
        remarks.append(
            f"{short(folder)}: passed over the folders {list_names(folders)}, as there are tables beside them."
        )
    return {split: found[split] for split in SPLITS if split in found}


def _find_content(table: Path) -> Literal["images", "list", "labels", "other"]:
    """Tell what a table holds; one that is damaged may hold images, and the error comes when it is read."""
    try:
        return "images" if Table(table, labelled=False).layout.files is None else "list"
    except OtherColumnsError:
        return "other" if _read_labels(table) is None else "labels"
    except DataError:
        return "images"


def _find_other_splits(path: Path) -> dict[str, Path]:
    """The other splits of a LIBSVM file, as its makers name them: mnist.t, mnist.scale.t.bz2."""
    name, packed = _strip_packing(path.name)
    if not is_libsvm(path):
        return {}
    found = {split: path.with_name(name + end + packed) for end, split in LIBSVM_ENDINGS.items()}
    return {split: place for split, place in found.items() if place.is_file() and is_libsvm(place)}


def _strip_packing(name: str) -> tuple[str, str]:
    end = next((end for end in PACKED[1:] if name.lower().endswith(end)), "")
    return name[: len(name) - len(end)], name[len(name) - len(end) :]


def _stem(path: Path) -> str:
    return Path(_strip_packing(path.name)[0]).stem


def _split_of(path: Path) -> str | None:
    """The split that a table is named after: train.csv, zip.train.gz, mnist.t."""
    name, _ = _strip_packing(path.name)
    by_ending = next((split for end, split in (LIBSVM_ENDINGS | UCI_ENDINGS).items() if name.endswith(end)), None)
    return by_ending or find_split(_stem(path), prefix=True) or find_split(name, prefix=True)
