"""Custom Keras models: files opened safely, and models of any usual form made into model files."""

from __future__ import annotations

import json
import math
import os
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

import mnistry
from mnistry.errors import MnistryError, ModelError, UsageError, first_line
from mnistry.models import foreign_files, hdf5_check, keras_form, onnx_export, onnx_file
from mnistry.models.backend import keras
from mnistry.models.classifier import Classifier
from mnistry.models.metadata import ModelMetadata
from mnistry.models.onnx_conversion import converter
from mnistry.models.onnx_export import AS_THEY_ARE, Scaling
from mnistry.runtime.files import short

PIXELS = {"0-255": AS_THEY_ARE, "0-1": Scaling(1 / 255), "-1-1": Scaling(1 / 127.5, -1.0)}
MAX_WEIGHTS = 50_000_000  # in a file: 200 MB; a network for 28×28 pixels has far fewer
MAX_CONFIG = 20_000_000  # bytes
REFUSED = {
    "Lambda", "TorchModuleWrapper", "JaxLayer", "FlaxLayer", "TFSMLayer", "StringLookup", "IntegerLookup",
    "TextVectorization",
}  # fmt: skip
OWN_MODULES = ("keras", "builtins", "mnistry")


def load(path: str | os.PathLike[str]) -> keras.Model:
    """Open a Keras model's file: .keras, or .h5 as earlier versions wrote it.

    A model file is a program. Nothing in it is run that Keras does not bring itself: no Lambda layers, no pickles, no
    classes of other packages. Its size is known before it is built.

    Raises:
        ModelError: it is none, is damaged, too large, or holds a program of its own.
    """
    where, name = Path(path).expanduser(), short(Path(path))
    foreign_files.refuse(where)
    if not onnx_file.is_keras(where):
        raise ModelError(f"{name} is not a Keras model: expected a .keras or .h5 file.")
    try:
        _check(where, name)
        with _rightly_named(where) as named:
            model = keras.models.load_model(named, compile=False, safe_mode=True)
    except (ModelError, KeyboardInterrupt):
        raise
    except Exception as error:  # Keras raises whatever the part that is damaged leads to
        raise ModelError(f"{name} cannot be opened: {first_line(error):.300}.") from None
    if not isinstance(model, keras.Model):
        raise ModelError(f"{name} holds a {type(model).__name__}, not a model.")
    return model


@contextmanager
def _rightly_named(path: Path) -> Iterator[Path]:
    """The file by a name that ends as Keras expects it, which goes by that and not by the content."""
    ending = ".keras" if zipfile.is_zipfile(path) else ".h5"
    if path.suffix == ending:
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="mnistry-") as place:
        named = Path(place) / f"model{ending}"
        shutil.copy(path, named)
        yield named


@dataclass(frozen=True, eq=False)
class OwnModel:
    """A custom Keras model, ready to be exported, with the scaling of its pixels where it does not do that itself.

    It takes images (n, 28, 28) or in a form like it, and gives a row for each.
    """

    model: keras.Model
    info: ModelMetadata
    scaling: Scaling

    def to_bytes(self, images: np.ndarray | None = None) -> bytes:
        """The content of a model file that answers as the model does; see `onnx_export.export`."""
        return onnx_export.export(self.model, self.info, images, self.scaling)


def to_classifier(model: Any, class_names: Sequence[str] | None = None, pixels: str | None = None) -> Classifier:
    """Make a Keras model, or its file, ready to answer, in memory; see `prepare`."""
    name = short(Path(model)) if isinstance(model, str | os.PathLike) else f"the model {getattr(model, 'name', '')}"
    return Classifier.from_bytes(prepare(model, class_names, pixels).to_bytes(), name)


def prepare(
    model: Any,
    class_names: Sequence[str] | None = None,
    pixels: str | None = None,
    *,
    fit: str | None = None,
    kind: str = "ink",
) -> OwnModel:
    """Prepare a Keras model, or its file, for export.

    Args:
        model: a Keras model or the path of its file.
        class_names: see `find_class_names`.
        pixels: see `find_scaling`.
        fit: how images come to the size that it takes, if that is not 28×28: "resize" or "pad"; None is "resize",
            except for sizes that images are often padded to: those are asked for.
        kind: of the images that it was trained on, "ink" or "pictures".

    Raises:
        UsageError: it cannot be exported, or the scaling of its pixels is not given.
        ModelError: the file cannot be opened, or its weights are not numbers.
    """
    opened = load(model) if isinstance(model, str | os.PathLike) else model
    if not isinstance(opened, keras.Model):
        raise UsageError(f"A Keras model or its file is expected; received {type(opened).__name__}.")
    if fit not in (None, *keras_form.FITS):
        raise UsageError(f"Images fit by {' or '.join(keras_form.FITS)}; received {fit!r:.40}.")
    if fit is None and keras_form.is_padded_or_resized(opened):
        raise UsageError(
            f"The network {opened.name} takes images of another size than 28×28, to which some pad images and others "
            "resize them. Say once which it learned: mnistry export FILE --fit resize, or pad (in Python: "
            'mnistry.export(model, path, fit="resize")). It is then kept in the model file.'
        )
    if not all(np.isfinite(each).all() for each in opened.get_weights()):
        raise ModelError(f"The network {opened.name} has weights that are not numbers (NaN): its training diverged.")
    formed, assumed = keras_form.in_one_form(opened, class_names, cast(keras_form.Fit | None, fit))
    names, scaling = find_class_names(formed, class_names), find_scaling(opened, pixels)
    info = ModelMetadata(
        name=opened.name[:80] if opened.name.isprintable() else "own",
        recipe="own",
        class_names=names,
        kind=kind,
        version=mnistry.__version__,
        licence="that of your own model",
        details={"pixels": pixels or "scaled by the model"} | ({"assumed": list(assumed)} if assumed else {}),
    )
    return OwnModel(formed, info, scaling)


def find_scaling(model: keras.Model, pixels: str | None) -> Scaling:
    """The scaling of pixels that a model needs.

    Args:
        model: built.
        pixels: the values that it was trained on: "0-255" (it scales them itself, or not at all), "0-1" or "-1-1";
            None means that it scales them itself, which is looked up.

    Raises:
        UsageError: it does not scale them itself, and `pixels` is None.
    """
    if pixels is None and not converter.scales_inside(model):
        raise UsageError(
            f"The network {model.name} does not scale its pixels itself. Say once on which values it was trained: "
            'mnistry export FILE --pixels 0-1 (in Python: mnistry.export(model, path, pixels="0-1")) if the images '
            "were divided by 255, -1-1, or 0-255 if they were not scaled. It is then kept in the model file."
        )
    if pixels is not None and pixels not in PIXELS:
        raise UsageError(f"Pixels are {', '.join(PIXELS)}; received {pixels!r:.40}.")
    return PIXELS[pixels or "0-255"]


def find_class_names(model: keras.Model, class_names: Sequence[str] | None) -> tuple[str, ...]:
    """The class names of a model: those given, or numbers from 0.

    Raises:
        UsageError: there are not as many as outputs, or one fewer.
    """
    outputs = converter.count_outputs(model)
    if class_names is not None:
        names = tuple(str(each) for each in class_names)
        if outputs - len(names) not in (0, 1) and (outputs, len(names)) != (1, 2):
            raise UsageError(f"{model.name} has {outputs} outputs, but {len(names)} class names are given.")
        return names
    if outputs == 1 and converter.convert(model).ends == "logits":
        raise UsageError(
            f"{model.name} gives one number without a sigmoid: a regression, or the logit of two classes. If it is a "
            'logit, name both classes: --classes no,yes (in Python: class_names=("no", "yes")).'
        )
    return tuple(str(number) for number in range(max(2, outputs)))


def _check(path: Path, name: str) -> None:
    """Look into a file before Keras does: its config, and the sizes of its weights."""
    import h5py

    if path.stat().st_size > 8 * MAX_WEIGHTS:
        raise ModelError(f"{name} has {path.stat().st_size:,} bytes; at most {8 * MAX_WEIGHTS:,} are read.")
    packed = zipfile.is_zipfile(path)
    if packed:
        with zipfile.ZipFile(path) as archive:
            sizes = {each.filename: each.file_size for each in archive.infolist()}
            total = sum(sizes.values())
            if sizes["config.json"] > MAX_CONFIG or total > 8 * MAX_WEIGHTS:
                raise ModelError(f"{name} unpacks to {total:,} bytes; at most {8 * MAX_WEIGHTS:,} are read.")
            _check_config(archive.read("config.json").decode(), name)
        if not any(each.endswith(hdf5_check.WEIGHTS) for each in sizes):
            raise ModelError(f"{name} holds no weights.")
    hdf5_check.check(path, name)
    with hdf5_check.open_hdf5(path) as stored, h5py.File(stored, "r") as file:
        _check_weights(file, name)
        if not packed:
            config = file.attrs.get("model_config")
            if config is None:
                raise ModelError(
                    f"{name} holds weights without a network. Build the network in Python, then "
                    f"model.load_weights({path.name!r}) and mnistry.export(model, path)."
                )
            _check_config(config.decode() if isinstance(config, bytes) else config, name)


def _check_config(text: str, name: str) -> None:
    try:
        config = json.loads(text)
        parts = list(_parts(config))
    except (ValueError, RecursionError):
        raise ModelError(f"{name} is damaged: its config is not JSON.") from None
    for part in parts:
        kind, module = part.get("class_name"), part.get("module") or "keras"
        if kind in REFUSED:
            why = f"has a {kind} layer, which can run any program"
        elif part.get("module") is None and part.get("registered_name"):
            why = f"needs {kind!r:.60}, a class of one's own, whose program is not in the file"
        elif not isinstance(module, str) or module.split(".")[0] not in OWN_MODULES:
            why = f"needs {kind!r:.60} of {module!r:.60}, which is not Keras's own"
        else:
            continue
        raise ModelError(
            f"{name} {why}. Build the model in Python and use mnistry.export(model, path) instead, or write the layer "
            "with Keras's own."
        )


def _parts(config: Any) -> Iterator[dict[str, Any]]:
    if isinstance(config, dict):
        if "class_name" in config:
            yield config
        for each in config.values():
            yield from _parts(each)
    elif isinstance(config, list):
        for each in config:
            yield from _parts(each)


def _check_weights(file: Any, name: str) -> None:
    import h5py

    total = 0

    def count(_: str, item: Any) -> None:
        nonlocal total
        if isinstance(item, h5py.Dataset):
            total += math.prod(item.shape or ())
            if item.external:
                raise ModelError(f"{name} points to data outside of the file, which are not read.")

    file.visititems(count)
    if total > MAX_WEIGHTS:
        raise ModelError(f"{name} has {total:,} weights; at most {MAX_WEIGHTS:,} are read.")


def main(path: str) -> None:
    """Write the model file of a Keras model to standard output, or the error as JSON; see `models/model_source.py`."""
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # a library that prints must not disturb the file
    try:
        content, failed = prepare(path).to_bytes(), False
    except MnistryError as error:
        content, failed = json.dumps({"error": str(error), "usage": isinstance(error, UsageError)}).encode(), True
    sink.write(content)
    sink.flush()
    sys.exit(failed)


if __name__ == "__main__":
    main(sys.argv[1])
