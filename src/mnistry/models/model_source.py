"""From the name of a model to the content of a model file: a model file, a run folder, or a Keras model's file.

Keras opens its files in a process of its own: what answers never imports Keras or JAX, and a file that brings Keras
down takes nothing with it.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from mnistry.errors import ModelError, UsageError, require
from mnistry.models import foreign_files, onnx_file
from mnistry.runtime.files import short
from mnistry.runtime.module_process import last_line, run_module

SECONDS = 300.0  # that a Keras model may take to become a model file; everyday networks take 5


def read(model: str | os.PathLike[str]) -> bytes:
    """The content of the model file that a path leads to, or that is made of the Keras model there.

    Raises:
        ModelError: there is none, it is damaged, or the Keras model cannot be opened.
        UsageError: it is not a path, or the Keras model cannot be exported or does not scale its pixels itself.
        MissingExtraError: it is a Keras model, and Keras is not installed.
    """
    try:
        path = Path(model)
    except TypeError:
        raise UsageError(
            f"A model is the path of a file or of a run folder; received {type(model).__name__}. A Keras model becomes "
            "a file with mnistry.export(model, path)."
        ) from None
    if os.path.isfile(path.expanduser() / onnx_file.EXPORTED):  # False also for a name that is too long
        path = path / onnx_file.EXPORTED
    if onnx_file.is_keras(path):
        return _convert(path)
    foreign_files.refuse(path)
    return onnx_file.read(path)


def _convert(path: Path) -> bytes:
    require("A Keras model", "keras", "jax", "onnx")
    try:
        done = run_module("mnistry.models.keras_models", str(path.expanduser()), seconds=SECONDS)
    except subprocess.TimeoutExpired:
        raise ModelError(f"{short(path)} took more than {SECONDS:.0f} seconds to become a model file.") from None
    if done.returncode == 0:
        return done.stdout
    try:
        told = json.loads(done.stdout)
    except ValueError:
        last = last_line(done, "it wrote no error")
        raise ModelError(f"{short(path)} cannot be opened: Keras ended while it did: {last:.300}.") from None
    raise (UsageError if told["usage"] else ModelError)(told["error"])
