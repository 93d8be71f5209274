"""Whatever a user calls a model becomes the content of a model file, or a sentence."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import mnistry
from mnistry.errors import ModelError, UsageError
from mnistry.models import model_source
from mnistry.models.backend import keras

L = keras.layers
IMAGES = mnistry.load("digits").x_test[:20]


def own(*layers):
    return keras.Sequential([keras.Input((28, 28)), *layers, L.Flatten(), L.Dense(10, "softmax")])


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A Keras model that scales its pixels itself, and its file."""
    model, path = own(L.Rescaling(1 / 255)), tmp_path_factory.mktemp("models") / "my own.keras"
    model.save(path)
    return model, path


def test_a_recognizer_takes_a_keras_file_and_never_imports_keras(saved):
    model, path = saved
    program = (
        "import sys, numpy, mnistry; images = mnistry.load('digits').x_test[:20];"
        f"numpy.save(sys.stdout.buffer, mnistry.Recognizer({str(path)!r}).predict(images));"
        "assert not {'keras', 'jax'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    given = np.frombuffer(done.stdout[-20 * 10 * 4 :], np.float32).reshape(20, 10)
    np.testing.assert_allclose(given, np.asarray(model(IMAGES.astype(np.float32))), atol=1e-4)


def test_a_run_folder_is_its_model_file(tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"content")
    assert model_source.read(tmp_path) == model_source.read(tmp_path / "model.onnx") == b"content"


def test_pixels_that_nobody_scales_name_the_command(tmp_path):
    own().save(tmp_path / "raw.keras")
    with pytest.raises(UsageError, match=r"does not scale its pixels itself.*mnistry export FILE --pixels 0-1"):
        mnistry.Recognizer(tmp_path / "raw.keras")


def test_a_process_that_ends_without_a_word_is_told(saved, monkeypatch):
    monkeypatch.setattr(model_source.sys, "executable", "/bin/false")
    with pytest.raises(ModelError, match=r"my own\.keras cannot be opened: Keras ended while it did"):
        model_source.read(saved[1])


def test_a_keras_object_names_the_function(saved):
    with pytest.raises(UsageError, match=r"received Sequential\. A Keras model becomes a file with mnistry\.export"):
        mnistry.Recognizer(saved[0])
