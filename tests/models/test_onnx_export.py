"""Every layer that can be exported, compared with Keras; files that explain themselves; runs; nothing wrong is kept."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest

from mnistry.errors import ModelError, RunError, UsageError
from mnistry.models import onnx_export, onnx_file
from mnistry.models.backend import keras
from mnistry.models.metadata import KEY, ModelMetadata
from mnistry.ocr.recognizer import Recognizer
from mnistry.training import export

L = keras.layers
THREE = ModelMetadata(name="three", recipe="none", class_names=("a", "b", "c"), temperature=1.5)


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    """Smooth blobs of all strengths, black and white: uint8 (40, 28, 28)."""
    generator = np.random.default_rng(2)
    coarse = np.kron(generator.integers(0, 256, (38, 7, 7)), np.ones((4, 4)))
    return np.concatenate([coarse, np.zeros((1, 28, 28)), np.full((1, 28, 28), 255)]).astype(np.uint8)


def shaken(model: keras.Model) -> keras.Model:
    """Weights and statistics of any value, so that nothing is tested with zeros and ones."""
    generator = np.random.default_rng(1)
    for variable in model.variables:
        if variable.dtype == "float32":
            spread = 1 / max(1, np.prod(variable.shape[:-1])) ** 0.5
            drawn = generator.normal(0, spread, variable.shape)
            variable.assign(abs(drawn) + 0.5 if "variance" in variable.path else drawn)
    return model


def sequential(images: np.ndarray, *layers: keras.Layer) -> keras.Model:
    """A network of layers whose three logits each have mean 0 and deviation 1 over the images: nothing is hidden."""
    last = L.Dense(3)
    model = shaken(keras.Sequential([keras.Input((28, 28, 1)), L.Rescaling(1 / 255), *layers, L.Flatten(), last]))
    logits = np.asarray(model(images[..., None], training=False))
    kernel, bias = last.get_weights()
    last.set_weights([kernel / logits.std(axis=0), (bias - logits.mean(axis=0)) / logits.std(axis=0)])
    return model


def exported(model: keras.Model, images: np.ndarray, info: ModelMetadata = THREE) -> Recognizer:
    """The exported model, compared with Keras on images."""
    recognizer = Recognizer.from_bytes(onnx_export.to_onnx(model, info))
    onnx_export.compare(model, recognizer, images)
    return recognizer


def operators(model: keras.Model) -> list[str]:
    return [node.op_type for node in onnx.load_from_string(onnx_export.to_onnx(model, THREE)).graph.node]


class Quiet(L.Conv2D):
    """A convolution of somebody's own."""


STACKS = {
    "dense": [L.Flatten(), L.Dense(5, activation="relu"), L.Dense(4, use_bias=False, activation="tanh")],
    "dense before dense needs no order": [L.Flatten(), L.Dropout(0.5), L.Dense(5, activation="sigmoid")],
    "flatten after convolution": [L.Conv2D(4, 3), L.Flatten(), L.Dense(6)],
    "activation between flatten and dense": [L.Conv2D(4, 3), L.Flatten(), L.ReLU(), L.Activation("tanh"), L.Dense(6)],
    "normalisation between flatten and dense": [L.Conv2D(4, 3), L.Flatten(), L.BatchNormalization(), L.Dense(6)],
    "softmax in the middle": [L.Conv2D(2, 9, strides=9), L.Flatten(), L.Softmax(), L.Dense(6)],
    "reshape from one row": [L.Flatten(), L.Dense(48), L.Reshape((4, 4, 3)), L.Conv2D(2, 3)],
    "reshape across channels": [L.Conv2D(4, 4, strides=4), L.Reshape((14, -1)), L.Reshape((7, 7, 4)), L.Conv2D(2, 3)],
    "reshape to one channel": [L.Conv2D(4, 4, strides=4), L.Reshape((14, 14, 1)), L.Conv2D(2, 3)],
    "valid": [L.Conv2D(4, 5, padding="valid", activation="relu")],
    "same": [L.Conv2D(4, 5, padding="same")],
    "same, even window": [L.Conv2D(4, 4, padding="same")],
    "same, step 2 on even sides": [L.Conv2D(4, 3, padding="same", strides=2)],
    "same, step 2 on odd sides": [L.Conv2D(4, 4, strides=4), L.Conv2D(4, 3, padding="same", strides=2)],
    "same, step 3": [L.Conv2D(4, 5, padding="same", strides=3)],
    "same, step beyond the window": [L.Conv2D(4, 2, padding="same", strides=5)],
    "oblong window and step": [L.Conv2D(4, (5, 2), padding="same", strides=(1, 3))],
    "spread": [L.Conv2D(4, 3, padding="same", dilation_rate=3)],
    "groups": [L.Conv2D(6, 3), L.Conv2D(9, 3, groups=3, use_bias=False)],
    "own convolution": [Quiet(4, 3, strides=2, padding="same", activation="relu")],
    "depthwise": [L.Conv2D(4, 3), L.DepthwiseConv2D(3, padding="same", strides=2, activation="relu")],
    "depthwise, several each": [L.Conv2D(4, 3), L.DepthwiseConv2D(3, depth_multiplier=3)],
    "normalised convolution": [L.Conv2D(4, 3, use_bias=False), L.BatchNormalization(), L.ReLU()],
    "normalised depthwise": [L.Conv2D(4, 3), L.DepthwiseConv2D(3), L.BatchNormalization(), L.Activation("relu")],
    "normalised dense": [L.Flatten(), L.Dense(6), L.BatchNormalization(scale=False), L.ReLU()],
    "normalised twice": [L.Conv2D(4, 3), L.BatchNormalization(), L.BatchNormalization(center=False)],
    "normalised after an activation": [L.Conv2D(4, 3, activation="relu"), L.BatchNormalization()],
    "normalised pixels": [L.BatchNormalization(epsilon=0.1)],
    "normalised row": [L.Flatten(), L.Dense(6, activation="relu"), L.BatchNormalization()],
    "largest, valid": [L.Conv2D(4, 3), L.MaxPooling2D(3)],
    "largest, same": [L.Conv2D(4, 4, strides=4), L.MaxPooling2D(2, padding="same")],
    "largest, overlapping": [L.Conv2D(4, 3), L.MaxPooling2D(3, strides=2, padding="same")],
    "mean, valid": [L.Conv2D(4, 3), L.AveragePooling2D(2)],
    "mean, same, over a border": [L.Conv2D(4, 4, strides=4), L.AveragePooling2D(3, strides=2, padding="same")],
    "mean of all": [L.Conv2D(4, 3), L.GlobalAveragePooling2D()],
    "mean of all, sides kept": [L.Conv2D(4, 3), L.GlobalAveragePooling2D(keepdims=True), L.Conv2D(5, 1)],
    "mean of all, no flatten": [L.Conv2D(4, 3), L.GlobalAveragePooling2D(), L.BatchNormalization(), L.Dense(5)],
    "what only trains": [L.GaussianNoise(1.0), L.RandomRotation(0.5), L.Conv2D(4, 3), L.SpatialDropout2D(0.5)],
    "another scale": [L.Rescaling(2.0, offset=-1.0), L.Conv2D(4, 3)],
}


@pytest.mark.parametrize("layers", STACKS.values(), ids=list(STACKS))
def test_layers_give_what_they_give_in_keras(layers, images):
    model = sequential(images, *(type(layer).from_config(layer.get_config()) for layer in layers))
    assert exported(model, images).predict(images).std(axis=0).min() > 0.05  # the answers do depend on the images


def residual(size: int = 6) -> keras.Model:
    """Two blocks with a way round each; the second's way round has a convolution; one value is used three times."""
    taken = keras.Input((28, 28))
    first = L.Conv2D(size, 3, strides=2, padding="same")(L.Reshape((28, 28, 1))(L.Rescaling(1 / 255)(taken)))
    inner = L.Conv2D(size, 3, padding="same")(L.ReLU()(L.BatchNormalization()(first)))
    second = L.ReLU()(L.Add()([first, inner, first]))
    around = L.BatchNormalization()(L.Conv2D(size, 1, strides=2)(second))
    through = L.BatchNormalization()(L.Conv2D(size, 3, strides=2, padding="same")(second))
    pooled = L.GlobalAveragePooling2D()(L.ReLU()(L.Add()([around, through])))
    return shaken(keras.Model(taken, L.Dense(3, activation="softmax")(pooled), name="residual"))


def test_a_network_with_ways_round(images):
    model = residual()
    exported(model, images)
    # The first convolution is computed once plain, for the sum, and once with its normalisation inside.
    assert operators(model).count("Conv") == 5
    assert "BatchNormalization" not in operators(model)


def test_a_layer_used_twice_and_a_network_in_a_network(images):
    inner = keras.Sequential([keras.Input((28, 28, 1)), L.Conv2D(1, 3, padding="same"), L.ReLU()], name="inner")
    taken = keras.Input((28, 28, 1))
    scaled = L.Rescaling(1 / 255)(taken)
    model = keras.Model(taken, L.Dense(3)(L.Flatten()(L.Add()([inner(inner(scaled)), inner(scaled)]))))
    assert operators(shaken(model)).count("Conv") == 3
    exported(model, images)


# The end of a network


def test_the_softmax_is_applied_once_however_the_network_ends(images):
    logits = sequential(images, L.Conv2D(4, 3))
    answers = exported(logits, images).predict(images)
    for ending in ([L.Softmax()], [L.Activation("softmax")]):
        model = keras.Sequential([keras.Input((28, 28, 1)), logits, *ending])
        assert operators(model).count("Softmax") == 1
        np.testing.assert_allclose(exported(model, images).predict(images), answers, atol=1e-6)


def test_the_temperature_divides_the_logits(images):
    model = sequential(images, L.Conv2D(4, 3))
    cold, warm = (
        exported(model, images, ModelMetadata("x", "y", ("a", "b", "c"), temperature=t)).predict(images) for t in (1, 3)
    )
    raised = cold ** (1 / 3)
    np.testing.assert_allclose(warm, raised / raised.sum(axis=1, keepdims=True), atol=1e-5)


@pytest.mark.parametrize("activation", ["linear", "softmax"])
def test_a_last_output_for_no_digit_becomes_the_digitness(activation, images):
    model = keras.Sequential([keras.Input((28, 28)), L.Rescaling(1 / 255), L.Flatten(), L.Dense(3, activation)])
    two = ModelMetadata("two", "none", ("a", "b"), temperature=2.0)
    answers = exported(shaken(model), images, two).predict_all(images)
    outputs = np.asarray(keras.ops.softmax(model(images)) if activation == "linear" else model(images))
    np.testing.assert_allclose(answers.digitness, 1 - outputs[:, 2], atol=1e-5)
    roots = np.sqrt(outputs[:, :2])
    np.testing.assert_allclose(answers.probabilities, roots / roots.sum(axis=1, keepdims=True), atol=1e-5)


def test_without_that_output_digitness_is_the_largest_probability(images):
    answers = exported(sequential(images, L.Conv2D(4, 3)), images).predict_all(images)
    assert (answers.digitness == answers.probabilities.max(axis=1)).all()


def test_enormous_logits_are_no_nan(images):
    model = keras.Sequential([keras.Input((28, 28)), L.Flatten(), L.Dense(3, kernel_initializer="ones")])
    kernel = np.zeros((784, 3))
    kernel[:, 0], kernel[:, 2] = 1, -1
    model.layers[-1].set_weights([kernel, np.zeros(3)])
    answers = exported(model, images, ModelMetadata("two", "none", ("a", "b"))).predict_all(images)
    assert np.isfinite(answers.probabilities).all()
    assert answers.digitness[-1] == 1  # an image of 255s: logits of ±199,920


# Models that cannot be exported


def test_networks_of_another_form_are_refused():
    taken = keras.Input((28, 28))
    flat = L.Flatten()(taken)
    cases = {
        "must take images (28, 28), (28, 28, 1), (28, 28, 3) or (784,); ": keras.Sequential(
            [keras.Input((8,)), L.Dense(3)]
        ),
        "must give one row of numbers for each image": keras.Model(taken, [L.Dense(3)(flat), L.Dense(3)(flat)]),
        "is not built": keras.Sequential([L.Flatten(), L.Dense(3)]),
        "For 3 classes a network must have 3 outputs, or one more for no digit": keras.Model(taken, L.Dense(5)(flat)),
    }
    for sentence, model in cases.items():
        with pytest.raises(UsageError) as caught:
            onnx_export.to_onnx(model, THREE)
        assert sentence in str(caught.value)


# The file


def test_the_same_model_gives_the_same_bytes():
    assert onnx_export.to_onnx(residual(), THREE) == onnx_export.to_onnx(residual(), THREE)


def test_the_file_explains_itself():
    info = ModelMetadata(
        "mine", "strong", ("a", "b", "c"), 1.5, 0.75, 0.25, 0.9, "9.8.7", "MIT", {"test": {"errors": 21}}
    )
    model = onnx.load_from_string(onnx_export.to_onnx(residual(), info))
    onnx.checker.check_model(model, full_check=True)
    assert (model.producer_name, model.producer_version, model.ir_version) == ("mnistry", "9.8.7", 9)
    assert [(each.domain, each.version) for each in model.opset_import] == [("", 17)]
    assert "ink bright on black" in model.doc_string
    facts = {each.key: each.value for each in model.metadata_props}
    assert ModelMetadata.from_json(facts[KEY]) == info
    assert json.loads(facts[KEY])["details"]["test"]["errors"] == 21


def test_a_batch_of_any_size_is_one_run(images):
    session = exported(residual(), images)._session
    assert [each.shape for each in session.get_inputs()] == [["n", 28, 28]]
    assert [each.shape for each in session.get_outputs()] == [["n", 3], ["n"]]
    for n in (1, 7, 40):
        assert session.run(None, {"images": images[:n]})[0].shape == (n, 3)


def test_a_file_that_differs_is_not_kept(monkeypatch, images):
    model = residual()
    right = onnx_export.to_onnx(model, THREE)
    model.layers[-1].set_weights([weights + 0.01 for weights in model.layers[-1].get_weights()])
    model.layers[-1].set_weights([weights * 1.1 for weights in model.layers[-1].get_weights()])
    monkeypatch.setattr(onnx_export, "to_onnx", lambda *_: right)
    with pytest.raises(ModelError, match=r"differs from the Keras model residual by up to .* at most 0.0001"):
        onnx_export.export(model, THREE, images)


def test_a_file_of_numbers_that_are_none_is_not_kept(images):
    model = residual()
    model.layers[-1].set_weights([np.full_like(weights, np.nan) for weights in model.layers[-1].get_weights()])
    with pytest.raises(ModelError, match="a constant is not a finite number"):
        onnx_export.export(model, THREE, images)


def test_a_file_that_agrees_is_kept(images):
    assert Recognizer.from_bytes(onnx_export.export(residual(), THREE, images)).info == THREE


# Runs


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of the lesson on the embedded digits."""
    from mnistry.training.run import train_run

    folder = tmp_path_factory.mktemp("export") / "run"
    train_run({"dataset": "digits", "epochs": 2, "seed": 4}, out=folder)
    return folder


def copied(run: Path, to: Path) -> Path:
    to.mkdir()
    for name in ("config.json", "summary.json", "model.keras"):
        (to / name).write_bytes((run / name).read_bytes())
    return to


def test_a_runs_model_file_has_its_facts_and_its_answers(run, tmp_path, digits):
    path = export.export_run(run, tmp_path / "mine.onnx")
    recognizer = Recognizer.load(path)
    summary = json.loads((run / "summary.json").read_text())
    info = recognizer.info
    assert (info.recipe, info.class_names, info.temperature) == ("tutorial", tuple("0123456789"), 1.0)
    assert info.details["test"]["errors"] == summary["test"]["errors"]
    assert info.details["config"]["seed"] == 4
    assert info.details["weights_sha256"] == summary["weights_sha256"]
    errors = (recognizer.predict_all(digits.x_test).digits != digits.y_test).sum()
    assert errors == summary["test"]["errors"]


def test_a_runs_calibration_travels_with_it(run, tmp_path):
    folder = copied(run, tmp_path / "run")
    summary = json.loads((folder / "summary.json").read_text())
    chosen = {"temperature": 1.75, "sure_threshold": 0.625, "sure_precision": 0.995, "digit_threshold": 0.25}
    (folder / "summary.json").write_text(json.dumps(summary | {"calibration": chosen}))
    info = Recognizer.load(export.export_run(folder)).info
    assert (info.temperature, info.sure_threshold, info.digit_threshold) == (1.75, 0.625, 0.25)
    assert info.details["calibration"] == chosen


def test_the_file_goes_into_the_run_folder_and_may_be_written_again(run, tmp_path):
    folder = copied(run, tmp_path / "run")
    first = export.export_run(folder)
    assert first == folder / "model.onnx"
    content = first.read_bytes()
    assert export.export_run(folder).read_bytes() == content


def test_nothing_but_that_is_overwritten(run, tmp_path):
    (tmp_path / "thesis.onnx").write_text("years of work")
    with pytest.raises(RunError, match=r"thesis.onnx exists already, and nothing is overwritten. Name another"):
        export.export_run(run, tmp_path / "thesis.onnx")
    assert (tmp_path / "thesis.onnx").read_text() == "years of work"


def test_a_folder_that_is_no_finished_run_is_refused(run, tmp_path):
    with pytest.raises(RunError, match=r"There is no run folder .*nowhere"):
        export.export_run(tmp_path / "nowhere")
    folder = copied(run, tmp_path / "run")
    (folder / "summary.json").unlink()
    with pytest.raises(
        RunError, match=r"holds no finished run: summary.json missing. .* mnistry train --resume --out "
    ):
        export.export_run(folder)


def test_a_run_whose_parts_are_damaged_is_refused(run, tmp_path):
    folder = copied(run, tmp_path / "broken")
    (folder / "model.keras").write_bytes((run / "model.keras").read_bytes()[:-5000])
    with pytest.raises(RunError, match=r"The run in .*broken cannot be read: .* Train it anew"):
        export.export_run(folder)
    folder = copied(run, tmp_path / "mixed")
    summary = json.loads((folder / "summary.json").read_text())
    (folder / "summary.json").write_text(json.dumps(summary | {"weights_sha256": "0" * 64}))
    with pytest.raises(RunError, match=r"model.keras has other weights than summary.json says"):
        export.export_run(folder)
    assert not (folder / "model.onnx").exists()


def test_a_file_that_cannot_be_written_is_a_sentence(run, tmp_path):
    with pytest.raises(RunError, match=r"nowhere/model.onnx cannot be written: No such file or directory"):
        export.export_run(run, tmp_path / "nowhere" / "model.onnx")
    assert onnx_file.EXPORTED == "model.onnx"
