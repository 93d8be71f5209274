"""Whatever a user calls a model becomes the content of a model file, or a sentence."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile

import numpy as np
import pytest

import mnistry
from mnistry.errors import ModelError, UsageError
from mnistry.models import keras_models, model_source
from mnistry.models.backend import keras

L = keras.layers
IMAGES = mnistry.load("digits").x_test[:20]


def own(*layers):
    return keras.Sequential([keras.Input((28, 28)), *layers, L.Flatten(), L.Dense(10, "softmax")])


def zipped(name):
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        archive.writestr(name, b"content")
    return sink.getvalue()


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
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(ModelError, match=r"my own\.keras cannot be opened: Keras ended while it did"):
        model_source.read(saved[1])


def test_a_keras_object_names_the_function(saved):
    with pytest.raises(UsageError, match=r"received Sequential\. A Keras model becomes a file with mnistry\.export"):
        mnistry.Recognizer(saved[0])


OTHERS = {
    "own.pt": (zipped("archive/data.pkl"), "own.pt is a file of PyTorch, with a pickle inside. Build the same network"),
    "own.zip": (zipped("a.csv"), "own.zip is a ZIP file without a Keras model: it holds a.csv."),
    "cut.keras": (zipped("config.json")[:40], "cut.keras is damaged: it begins as a Keras model and breaks off."),
    "own.pkl": (b"\x80\x04K\x01.", "own.pkl is a pickle, which can run any program"),
    "own.json": (b'{"class_name": "Sequential"}', "own.json is text in JSON: a network without weights."),
    "own.tflite": (b"\x1c\0\0\0TFL3" + bytes(40), "own.tflite is a model of TensorFlow Lite."),
    "own.safetensors": (b"\2\0\0\0\0\0\0\0{}", "own.safetensors is weights without a network."),
    "text.png": (
        b"\x89PNG\r\n\x1a\n" + bytes(30),
        "text.png is a picture, not a model. To read the digits in it: mnistry read",
    ),
    "own.npz": (zipped("x_train.npy"), "own.npz is data, not a model. Name it with --dataset"),
    "test.csv": (b"label,pixel0\n", "test.csv is data, not a model."),
    "own.pmml": (b'<?xml version="1.0"?><PMML/>', "own.pmml is a model in XML, of PMML or OpenVINO."),
    "notes.txt": (b"hello, this is a text", "notes.txt is text, not a model. Name a file"),
    "saved_model.pb": (b"\x08\x01\x12", "saved_model.pb is a SavedModel of TensorFlow."),
}


@pytest.mark.parametrize("name", OTHERS)
def test_models_of_other_kinds_are_named_with_a_way_out(name, tmp_path):
    content, sentence = OTHERS[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ModelError) as caught:
        mnistry.Recognizer(tmp_path / name)
    assert sentence in str(caught.value)
    with pytest.raises(ModelError) as caught:
        mnistry.export(tmp_path / name, tmp_path / "own.onnx")
    assert sentence in str(caught.value)
    if name == "saved_model.pb":
        with pytest.raises(ModelError, match=r"is a SavedModel of TensorFlow"):
            mnistry.Recognizer(tmp_path)


@pytest.mark.parametrize("ending", [".keras", ".h5"])
def test_a_keras_file_is_known_by_its_content(saved, ending, tmp_path):
    saved[0].save(tmp_path / f"own{ending}")
    (tmp_path / f"own{ending}").rename(tmp_path / "download.bin")
    expected = saved[0].get_weights()[0]
    assert np.array_equal(keras_models.load(tmp_path / "download.bin").get_weights()[0], expected)


def test_an_onnx_file_of_another_program_is_named(tmp_path):
    (tmp_path / "own.onnx").write_bytes(b"\x08\x08\x12\x07pytorch")
    with pytest.raises(ModelError, match=r"own\.onnx is an ONNX file of pytorch, but none that mnistry export wrote"):
        mnistry.Recognizer(tmp_path / "own.onnx")


def test_weights_without_a_network_and_classes_of_ones_own_name_the_function(saved, tmp_path, monkeypatch):
    saved[0].save_weights(tmp_path / "own.weights.h5")
    with pytest.raises(
        ModelError, match=r"holds weights without a network\. Build the network in Python, then model\.load"
    ):
        keras_models.load(tmp_path / "own.weights.h5")
    monkeypatch.setattr(Doubled, "__module__", "__main__")  # as in a notebook
    own(L.Rescaling(1 / 255), Doubled()).save(tmp_path / "own.keras")
    with pytest.raises(ModelError, match=r"needs 'Doubled', a class of one's own, whose program is not in the file"):
        keras_models.load(tmp_path / "own.keras")


class Doubled(keras.layers.Layer):
    def call(self, x):
        return 2 * x
