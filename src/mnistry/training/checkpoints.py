"""Checkpoints: the state of a training, written so that no crash can lose or garble it.

A file is a line of header with the SHA-256 of all that follows, then a NumPy archive. It is written beside its name,
brought to the disk, and renamed; then the folder's own entry is brought to the disk. The last two are kept: if the
newest cannot be read, the one before it serves.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import tokenize
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mnistry.errors import RunError
from mnistry.runtime.files import write_durably

HEADER = b"mnistry checkpoint 1 "
NAME = "checkpoint-{epoch:05d}.bin"
PATTERN = re.compile(r"checkpoint-(\d{5,})\.bin")
KEPT = 2
DAMAGES = (
    OSError, ValueError, TypeError, KeyError, IndexError, EOFError, RecursionError, MemoryError, NotImplementedError,
    zipfile.BadZipFile, zlib.error, SyntaxError, tokenize.TokenError,
)  # fmt: skip
"""Whatever a damaged file, or one that is odd and well-formed, may raise where it is read."""


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A training's position at the end of an epoch.

    Attributes:
        epoch: how many are done.
        values: the values of all variables, dropout's position in its random numbers included.
        records: the record of each epoch done.
        identity: what must be as it was when the training goes on.
    """

    epoch: int
    values: list[np.ndarray]
    records: list[dict[str, Any]]
    identity: dict[str, Any]


def write(folder: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint; when this returns it survives a power cut.

    Raises:
        OSError: the disk is full or the folder cannot be written; the checkpoints before are untouched.
    """
    body = io.BytesIO()
    kept = {"epoch": checkpoint.epoch, "records": checkpoint.records, "identity": checkpoint.identity}
    notes = json.dumps(kept).encode()
    arrays: dict[str, Any] = {f"value_{number:04d}": value for number, value in enumerate(checkpoint.values)}
    np.savez(body, notes=np.frombuffer(notes, np.uint8), **arrays)
    content = body.getbuffer()
    digest = hashlib.sha256(content).hexdigest().encode()
    write_durably(folder / NAME.format(epoch=checkpoint.epoch), [HEADER + digest + b"\n", content])
    for old in _files(folder)[KEPT:]:
        old.unlink(missing_ok=True)


def load_latest(folder: Path, warn: Callable[[str], None]) -> Checkpoint | None:
    """The newest checkpoint in a folder that can be read, or None if there is none; warns of each damaged one.

    Raises:
        RunError: there are checkpoints, but none of them can be read.
    """
    files = _files(folder)
    for path in files:
        try:
            return _read(path)
        except DAMAGES as error:
            warn(f"{path} is damaged and was passed over ({error}).")
    if files:
        raise RunError(
            f"None of the checkpoints in {folder} can be read. Start the training anew in another folder (--out)."
        )
    return None


def _files(folder: Path) -> list[Path]:
    """The checkpoints in a folder, the newest first."""
    found = [(int(match[1]), path) for path in folder.iterdir() if (match := PATTERN.fullmatch(path.name))]
    return [path for _, path in sorted(found, reverse=True)]


def _read(path: Path) -> Checkpoint:
    header, _, content = path.read_bytes().partition(b"\n")
    if not header.startswith(HEADER):
        raise ValueError("it has not the header of a checkpoint")
    if hashlib.sha256(content).hexdigest().encode() != header.removeprefix(HEADER):
        raise ValueError("its content has another SHA-256 than its header says")
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        notes = json.loads(archive["notes"].tobytes())
        values = [archive[name] for name in sorted(archive.files) if name.startswith("value_")]
    epoch, records, identity = notes["epoch"], notes["records"], notes["identity"]
    named = isinstance(identity, dict) and all(isinstance(identity.get(name), dict) for name in ("data", "versions"))
    if not named or not isinstance(records, list) or len(records) != epoch or not all(map(_is_record, records)):
        raise ValueError("its notes are not those of a checkpoint")
    if not all(value.dtype.kind in "biuf" for value in values):
        raise ValueError("its values are not numbers")
    return Checkpoint(epoch, values, records, identity)


def _is_record(record: Any) -> bool:
    """Tell whether this is the record of an epoch: its number, loss and seconds, and other numbers by name."""
    return (
        isinstance(record, dict)
        and {"epoch", "loss", "seconds"} <= set(record)
        and all(type(value) in (int, float) for value in record.values())
    )
