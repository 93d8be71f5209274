"""The errors that mnistry raises on purpose.

    MnistryError            something a user can mend; exit status 1
    ├── UsageError          a value or an option that makes no sense; exit status 2
    ├── DataError           a data set that is missing, damaged or of another kind
    │   └── NoLabelsError   images without labels, where labels are needed
    ├── ModelError          a model file that is missing, damaged or not one of mnistry's
    ├── PictureError        a picture that cannot be read
    ├── RunError            a run folder that exists already, cannot be written or is incomplete
    ├── TrainingError       a training that cannot start or go on
    ├── ServeError          a server that cannot start
    ├── ClusterError        Ray cannot be started or cannot be reached
    ├── BatchError          a batch that cannot start or go on
    ├── MissingExtraError   a part of mnistry whose libraries are not installed
    └── StoppedError        somebody stopped work that can go on; exit status 130

A message says what happened, what was expected, what was received, and one thing to do about it. The command
line prints it without a traceback; Python callers catch `MnistryError` for all of them.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from difflib import get_close_matches

EXTRAS = {
    "train": ("h5py", "jax", "jinja2", "keras", "markupsafe", "onnx", "scipy"),
    "serve": ("fastapi", "markdown_it", "prometheus_client", "pydantic", "segno", "starlette", "uvicorn"),
    "ray": ("fsspec", "pandas", "pyarrow", "ray"),
}  # the libraries that each extra of the package brings, by the names that they are imported by


class MnistryError(Exception):
    """The base of all errors that mnistry raises on purpose.

    >>> from mnistry import read
    >>> try:
    ...     read("nowhere.png")
    ... except MnistryError as error:
    ...     print(error)
    nowhere.png cannot be read: No such file or directory.
    """

    exit_status = 1


class UsageError(MnistryError, ValueError):
    """A value or an option that makes no sense."""

    exit_status = 2


class DataError(MnistryError):
    """A data set that is missing, damaged or of another kind."""


class NoLabelsError(DataError):
    """Images without labels, where labels are needed."""


class ModelError(MnistryError):
    """A model file that is missing, damaged or not one of mnistry's."""


class PictureError(MnistryError):
    """A picture that cannot be read."""


class RunError(MnistryError):
    """A run folder that exists already, cannot be written or is incomplete."""


class TrainingError(MnistryError):
    """A training that cannot start or go on."""


class ServeError(MnistryError):
    """A server that cannot start."""


class ClusterError(MnistryError):
    """Ray cannot be started or cannot be reached."""


class BatchError(MnistryError):
    """A batch that cannot start or go on."""


class MissingExtraError(MnistryError, ImportError):
    """A part of mnistry whose libraries are not installed."""


class StoppedError(MnistryError):
    """Somebody stopped work that can go on."""

    exit_status = 130


def missing_extra(what: str, library: str | None, remark: str = "") -> MissingExtraError | None:
    """Make the error for a library that could not be imported; None if it belongs to none of the extras.

    Args:
        what: the command or function that needs it.
        library: the name that it is imported by; a part of it will do.
        remark: a last sentence.

    >>> print(missing_extra("mnistry.fit", "keras.layers"))
    mnistry.fit needs keras, which is not installed. Install it with: pip install 'mnistry[train]'
    """
    name = (library or "").partition(".")[0]
    for extra, libraries in EXTRAS.items():
        if name in libraries:
            text = f"{what} needs {name}, which is not installed. Install it with: pip install 'mnistry[{extra}]'"
            return MissingExtraError(f"{text}. {remark}" if remark else text)
    return None


def require(what: str, *libraries: str, remark: str = "") -> None:
    """Make sure that libraries are installed, without importing them.

    Raises:
        MissingExtraError: one is not; see `missing_extra`.
    """
    for library in libraries:
        if importlib.util.find_spec(library) is None:
            raise missing_extra(what, library, remark) or ModuleNotFoundError(f"No module named {library!r}")


def first_line(error: BaseException) -> str:
    """The first line of an error's text, without a full stop; its kind where there is no text."""
    return next(iter(str(error).splitlines()), type(error).__name__).rstrip(".")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint that names the closest known word, or all of them when none is close.

    >>> did_you_mean("mnits", ["mnist", "digits"])
    'Did you mean mnist?'
    >>> did_you_mean("cats", ["mnist", "digits"])
    'Known are: digits, mnist.'
    """
    known = sorted(known)
    close = get_close_matches(word, known, n=1)
    return f"Did you mean {close[0]}?" if close else f"Known are: {', '.join(known)}."
