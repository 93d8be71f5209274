"""Run folders: claimed, locked, filled completely or not at all, and resumed with the same settings."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shlex
import shutil
import types
import typing
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import filelock

from mnistry.errors import RunError, StoppedError

RUNS = Path("runs")
UNFINISHED = ".unfinished"
CONFIG, METRICS, SUMMARY, REPORT = "config.json", "metrics.jsonl", "summary.json", "report.html"
MODEL = "model.keras"
LOCK = ".lock"
MAX_NUMBER = 2**63  # of a number in a file

Stored = TypeVar("Stored")


@contextlib.contextmanager
def create_folder(out: str | os.PathLike[str] | None, kind: str) -> Iterator[tuple[Path, Path]]:
    """A folder for a new run, and the one that it becomes; filled only if the block ends well.

    If anything goes wrong inside, an interrupt included, all written files are removed again.

    Args:
        out: where the run shall be; it may exist if it is empty. None means the next free `runs/KIND-N`.
        kind: the first part of that name.

    Raises:
        RunError: the folder has content already, or cannot be written.
    """
    target, made = _claim(out, kind)
    try:
        with stage(target) as work:
            yield work, target
    finally:
        _remove(made)  # those that are empty


@contextlib.contextmanager
def lock_run_folder(out: str | os.PathLike[str] | None, kind: str, *, resume: bool) -> Iterator[Path]:
    """A run folder that one process at a time works in. Its files stay, however the block ends.

    Args:
        out: where the run is or shall be. None means the next free `runs/KIND-N`.
        kind: the first part of that name.
        resume: whether the folder may have something in it.

    Raises:
        RunError: another process works in it, it has content and `resume` is not set, or it cannot be written.
    """
    target, made = _claim(out, kind, may_be_filled=resume)
    lock = filelock.FileLock(target / LOCK)
    try:
        with _explain_write_errors(target), lock.acquire(timeout=0):  # given up by the system when the process dies
            yield target
            made = []
    except filelock.Timeout:
        raise RunError(f"Another process is at work in {target}. Wait for it, or name another folder.") from None
    finally:
        if made and all(path.name == LOCK for path in target.iterdir()):
            (target / LOCK).unlink(missing_ok=True)
        _remove(made)


@contextlib.contextmanager
def stage(target: Path) -> Iterator[Path]:
    """A folder whose content moves up into the run folder if the block ends well, and vanishes otherwise.

    Raises:
        RunError: it cannot be written, or another process has one there.
    """
    work, published = target / UNFINISHED, False
    before = {path.name for path in target.iterdir()} - {UNFINISHED}
    with _explain_write_errors(target):
        work.mkdir()
    try:
        with _explain_write_errors(target):
            yield work
            _publish(work, target)
        published = True
    finally:
        shutil.rmtree(work, ignore_errors=True)
        for part in () if published else target.iterdir():
            if part.name not in before:
                shutil.rmtree(part, ignore_errors=True) if part.is_dir() else part.unlink(missing_ok=True)


@contextlib.contextmanager
def explain_resume(*command: str) -> Iterator[None]:
    """Say which command goes on, when somebody stops the work.

    Raises:
        StoppedError: somebody pressed Ctrl-C.
    """
    try:
        yield
    except KeyboardInterrupt:
        raise StoppedError(f"stopped; what is done is kept, go on with: {shlex.join(command)}") from None


def load_plan(
    folder: Path,
    name: str,
    kind: type[Stored],
    asked: Mapping[str, Any],
    what: str,
    *,
    ignored: Collection[str] = (),
    missed: Callable[[str], None] | None = None,
) -> Stored | None:
    """Load the plan of the work in a folder, which must agree with what is asked for; None if nothing is there yet.

    Args:
        folder: of the work.
        name: of the JSON file.
        kind: the dataclass that it holds.
        asked: values for some of its fields.
        what: the work, such as "run", for messages.
        ignored: names of files that may be there before the plan is; those that begin with a dot always may.
        missed: gets a warning if nothing is there, where somebody wants to go on.

    Raises:
        RunError: there is something else in the folder, the file cannot be read, or the work was begun with other
            settings than those asked for.
    """
    path = folder / name
    if not path.exists():
        others = sorted(entry.name for entry in folder.iterdir() if entry.name[0] != "." and entry.name not in ignored)
        if others:
            raise RunError(f"{folder} holds {others[0]}, but no {what} ({name} is missing). Name another folder.")
        if missed is not None:
            missed(f"There is nothing to resume in {folder}: the {what} starts from its beginning.")
        return None
    try:
        stored = check_types(kind, json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise RunError(f"{path} cannot be read as that of a {what}: {error}. Name another folder.") from None
    differences = "; ".join(
        f"{field} is {value}, asked for is {asked[field]}"
        for field, value in vars(stored).items()
        if field in asked and asked[field] != value
    )
    if differences:
        raise RunError(
            f"The {what} in {folder} has other settings: {differences}. Leave them out to go on with its own, or name "
            "another folder."
        )
    return stored


def check_types(kind: type[Stored], values: Any) -> Stored:
    """Make a dataclass of values out of a file.

    Raises:
        TypeError: they are not those of its fields, or of other types.
        ValueError: the dataclass refuses them.
    """
    if not isinstance(values, dict):
        raise TypeError(f"it holds {values!r:.40}")
    hints = typing.get_type_hints(kind)
    for name, value in values.items():
        if name in hints and not _is_of_type(value, hints[name]):
            raise TypeError(f"{name} is {value!r:.40}")
    return kind(**values)


def _is_of_type(value: Any, hint: Any) -> bool:
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return any(_is_of_type(value, each) for each in inner)
    if hint is float:
        return type(value) in (int, float) and abs(value) < MAX_NUMBER  # NaN is not
    if hint is int:
        return type(value) is int and abs(value) < MAX_NUMBER
    if inner and origin is not None and issubclass(origin, Mapping):
        return isinstance(value, Mapping) and all(_is_of_type(each, inner[1]) for each in value.values())
    if inner and origin is not None and issubclass(origin, Sequence):
        return isinstance(value, list | tuple) and all(_is_of_type(each, inner[0]) for each in value)
    return hint is Any or isinstance(value, origin or hint)


def _claim(out: str | os.PathLike[str] | None, kind: str, *, may_be_filled: bool = False) -> tuple[Path, list[Path]]:
    """The target folder, and the folders that had to be made for it, the innermost first."""
    try:
        return _claim_next(kind) if out is None else _claim_named(Path(out).expanduser(), may_be_filled)
    except (OSError, RuntimeError) as error:  # RuntimeError: a home folder of nobody
        where, why = out or RUNS, getattr(error, "strerror", None) or error
        raise RunError(f"The run folder {where} cannot be made: {why}. Name another with --out.") from None


def _claim_named(out: Path, may_be_filled: bool) -> tuple[Path, list[Path]]:
    if out.is_dir():
        if any(out.iterdir()) and not may_be_filled:
            raise RunError(f"{out} is not empty, and nothing is overwritten. Name another folder with --out.")
        return out, []
    if out.exists() or out.is_symlink():
        kind = "a file" if out.exists() else "a link that leads nowhere"
        raise RunError(f"{out} is {kind}, not a folder. Name another folder with --out.")
    return out, _make(out)


def _claim_next(kind: str) -> tuple[Path, list[Path]]:
    made = _make(RUNS)
    for number in itertools.count(1):
        target = RUNS / f"{kind}-{number}"
        with contextlib.suppress(FileExistsError):  # taken, or another process was quicker
            target.mkdir()
            return target, [target, *made]
    raise AssertionError("unreachable")


def _make(folder: Path) -> list[Path]:
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        _remove(missing)
        raise
    return missing


def _remove(folders: list[Path]) -> None:
    """Remove those of the folders that are empty."""
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.rmdir()


def _publish(work: Path, target: Path) -> None:
    """Move the finished parts up; the summary last, as the sign that the run is complete."""
    for part in sorted(work.iterdir(), key=lambda part: part.name == SUMMARY):
        if part.is_dir():  # a folder cannot take the place of another that a kill left half-done
            shutil.rmtree(target / part.name, ignore_errors=True)
        part.rename(target / part.name)


@contextlib.contextmanager
def _explain_write_errors(target: Path) -> Iterator[None]:
    try:
        yield
    except (BrokenPipeError, filelock.Timeout):
        raise
    except OSError as error:
        raise RunError(f"The run folder {target} cannot be written: {error.strerror or error}.") from None
