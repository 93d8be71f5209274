"""One's own Keras models: every everyday network becomes a model file that answers as Keras does."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

import mnistry
from mnistry.errors import ModelError, UsageError
from mnistry.evaluation.run import evaluate_model, load
from mnistry.models import backend, keras_models, onnx_export, onnx_file
from mnistry.models.backend import keras
from mnistry.models.metadata import ModelMetadata
from mnistry.models.onnx_conversion import converter

L = keras.layers
IMAGES = mnistry.load("digits").x_test[:40]
CONV = L.Conv2D


def chain(*layers, shape=(28, 28, 1), end=True):
    head = [L.Flatten(), L.Dense(10, "softmax")] if end else []
    return keras.Sequential([keras.Input(shape), L.Rescaling(1 / 255), *layers, *head])


def graph(make, shape=(28, 28, 1)):
    image = keras.Input(shape)
    return keras.Model(image, L.Dense(10, "softmax")(L.Flatten()(make(L.Rescaling(1 / 255)(image)))))


def stirred(model):
    """The same with other weights and statistics than at the beginning, so that each of them tells."""
    random = np.random.default_rng(0)
    model.set_weights(
        [each + random.uniform(0.05, 0.15, each.shape).astype(each.dtype) for each in model.get_weights()]
    )
    return model


class Own(keras.Model):
    """A model by a class of one's own, whose call takes no `training`."""

    def __init__(self):
        super().__init__()
        self.parts = [L.Flatten(), L.Dense(8, "relu"), L.Dense(10)]

    def call(self, x):
        for part in self.parts:
            x = part(x / 255 if part is self.parts[0] else x)
        return x


def own():
    model = Own()
    model(np.zeros((1, 28, 28, 1), np.float32))
    return model


def squeezed(h):
    a = CONV(4, 3)(h)
    return a * L.Reshape((1, 1, 4))(L.Dense(4, "sigmoid")(L.GlobalAveragePooling2D()(a)))


def attended(h):
    tokens = L.Reshape((49, 16))(CONV(16, 4, strides=4)(h))
    return tokens + L.MultiHeadAttention(2, 8)(L.LayerNormalization()(tokens), L.LayerNormalization()(tokens))


def mixed():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        layers = (CONV(4, 3, activation="relu"), L.BatchNormalization(), L.Flatten(), L.Dense(10))
        return chain(*layers, L.Activation("softmax", dtype="float32"), end=False)
    finally:
        keras.config.set_dtype_policy("float32")


NETWORKS = {
    "batch norm": lambda: stirred(chain(CONV(4, 3, use_bias=False), L.BatchNormalization(), L.ReLU())),
    "depthwise": lambda: chain(L.DepthwiseConv2D(3, depth_multiplier=2, strides=2, padding="same")),
    "separable": lambda: chain(L.SeparableConv2D(4, 3)),
    "dilated and grouped": lambda: chain(CONV(4, 3, dilation_rate=2, padding="same"), CONV(8, 3, groups=2)),
    "transposed": lambda: chain(CONV(3, 3, strides=2, padding="same"), L.Conv2DTranspose(4, 3, strides=2)),
    "one axis": lambda: chain(
        L.Conv1D(4, 3, padding="causal"), L.MaxPooling1D(2), L.SeparableConv1D(4, 3), L.GlobalMaxPooling1D(),
        shape=(28, 28),
    ),
    "poolings": lambda: chain(CONV(4, 3), L.AveragePooling2D(3, 2, "same"), L.MaxPooling2D(2), L.GlobalMaxPooling2D()),
    "residual": lambda: graph(lambda h: h + CONV(1, 3, padding="same")(h)),
    "concatenate": lambda: graph(lambda h: L.Concatenate()([CONV(4, k, padding="same")(h) for k in (1, 3)])),
    "squeeze and excite": lambda: graph(squeezed),
    "LeNet": lambda: chain(L.ZeroPadding2D(2), CONV(6, 5, activation="tanh"), L.AveragePooling2D(2)),
    "crop and enlarge": lambda: chain(L.Cropping2D(((1, 0), (0, 2))), L.UpSampling2D(2), L.Resizing(20, 24)),
    "layer norm": lambda: stirred(chain(CONV(4, 3), L.LayerNormalization())),
    "group norm": lambda: stirred(chain(CONV(4, 3), L.GroupNormalization(2), L.UnitNormalization())),
    "spectral": lambda: chain(L.SpectralNormalization(CONV(4, 3))),
    "normalization": lambda: keras.Sequential(
        [keras.Input((28, 28, 1)), L.Normalization(mean=33.3, variance=6000.0), L.Flatten(), L.Dense(10, "softmax")]
    ),
    "only train": lambda: chain(
        L.RandomFlip(), L.RandomRotation(0.1), L.GaussianNoise(0.1), L.Dropout(0.2), L.ActivityRegularization(0.1)
    ),
    "LSTM": lambda: chain(L.LSTM(4), shape=(28, 28)),
    "ConvLSTM2D": lambda: chain(L.Reshape((4, 7, 28, 1)), L.ConvLSTM2D(2, 3), L.Flatten(), shape=(28, 28)),
    "GRU both ways": lambda: chain(L.Bidirectional(L.GRU(3)), shape=(28, 28)),
    "attention": lambda: graph(attended),
    "a row of pixels": lambda: chain(L.Dense(16, "relu"), shape=(784,)),
    "pictures of any size": lambda: chain(CONV(4, 3), L.GlobalAveragePooling2D(), shape=(None, None, 1)),
    "three channels": lambda: chain(CONV(4, 3), shape=(28, 28, 3)),
    "bins": lambda: chain(L.Flatten(), L.Discretization([0.25, 0.5, 0.75], output_mode="one_hot"), shape=(28, 28)),
    "bins as numbers": lambda: keras.Sequential(
        [keras.Input((28, 28)), L.Flatten(), L.Discretization([64.0, 128.0, 192.0]), L.Dense(10, "softmax")]
    ),
    "a table": lambda: keras.Sequential(
        [keras.Input((28, 28)), L.Rescaling(0.5), L.Flatten(), L.Embedding(128, 2), L.Flatten(), L.Dense(10, "softmax")]
    ),
    "logits": lambda: chain(L.Flatten(), L.Dense(10), end=False),
    "a class of one's own": own,
    "mixed precision": mixed,
    "keras.ops": lambda: graph(
        lambda h: keras.ops.concatenate([keras.ops.mean(keras.ops.stack([h, h * 2], 1), -1)[:, 0], h[:, ::-1, :, 0]], 1)
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NETWORKS)
def test_any_everyday_network_answers_as_keras_does(name, tmp_path):
    model = NETWORKS[name]()
    path = mnistry.export(model, tmp_path / "own.onnx")
    given = converter.reshape_images(IMAGES, converter.find_input_shape(model)).astype(np.float32)
    expected = backend.predict(model, given).astype(np.float64)
    if name in ("logits", "a class of one's own"):
        expected = np.exp(expected) / np.exp(expected).sum(axis=1, keepdims=True)
    tolerance = 0.02 if name == "mixed precision" else 1e-4
    answers = mnistry.Recognizer.load(path)
    np.testing.assert_allclose(answers.predict(IMAGES), expected, atol=tolerance)
    assert answers.info.class_names == tuple("0123456789")


ACTIVATIONS = [
    "relu",
    "relu6",
    "leaky_relu",
    "elu",
    "selu",
    "celu",
    "gelu",
    "silu",
    "softplus",
    "softsign",
    "softmax",
    "log_softmax",
    "sigmoid",
    "hard_sigmoid",
    "hard_silu",
    "hard_tanh",
    "hard_shrink",
    "soft_shrink",
    "tanh",
    "tanh_shrink",
    "exponential",
    "linear",
    "mish",
    "log_sigmoid",
    "sparse_plus",
    "sparsemax",
    "squareplus",
    "sparse_sigmoid",
]


def test_all_of_keras_activations(tmp_path):
    x = keras.Input((28, 28))
    flat = L.Dense(6)(L.Flatten()(L.Rescaling(1 / 255)(x)))
    parts = [L.Activation(name)(flat) for name in ACTIVATIONS]
    model = keras.Model(x, L.Dense(10, "softmax")(L.Concatenate()([*parts, L.PReLU()(flat), L.LeakyReLU(0.1)(flat)])))
    answers = mnistry.Recognizer.load(mnistry.export(model, tmp_path / "own.onnx"))
    np.testing.assert_allclose(answers.predict(IMAGES), np.asarray(model(IMAGES.astype(np.float32))), atol=1e-4)


def test_two_classes_with_one_sigmoid(tmp_path):
    model = chain(L.Flatten(), L.Dense(1, "sigmoid"), end=False)
    path = mnistry.export(model, tmp_path / "own.onnx", ["even", "odd"])
    odd = np.asarray(model(IMAGES[..., None].astype(np.float32)))[:, 0]
    np.testing.assert_allclose(mnistry.Recognizer.load(path).predict(IMAGES), np.stack([1 - odd, odd], 1), atol=1e-4)


def test_what_cannot_be_exported_is_named():
    model = graph(lambda h: keras.ops.cast(keras.ops.argsort(h, axis=1), "float32"))
    with pytest.raises(UsageError, match=r"cannot be exported: it (computes|sorts)"):
        onnx_export.to_onnx(model, ModelMetadata("own", "own", tuple("0123456789")))


def resized(side, images=IMAGES):
    return np.asarray(keras.ops.image.resize(images[..., None].astype(np.float32), (side, side), antialias=side < 28))


def padded(side, images=IMAGES):
    before = (side - 28) // 2
    return np.pad(images, ((0, 0), *(((before, side - 28 - before),) * 2)))[..., None].astype(np.float32)


OTHER_SIZES = {
    "32, resized": ((32, 32, 1), "resize", lambda: resized(32)),
    "32, padded": ((32, 32, 1), "pad", lambda: padded(32)),
    "a row of 33x33, padded": ((1089,), "pad", lambda: padded(33).reshape(40, -1)),
    "64 in colour": ((64, 64, 3), None, lambda: np.repeat(resized(64), 3, axis=3)),
    "channels first": ((3, 40, 40), None, lambda: np.repeat(resized(40), 3, axis=3).transpose(0, 3, 1, 2)),
    "20": ((20, 20), None, lambda: resized(20)[..., 0]),
}


@pytest.mark.parametrize("name", OTHER_SIZES)
def test_networks_of_another_size_get_images_of_that_size_and_say_so(name, tmp_path):
    shape, fit, given = OTHER_SIZES[name]
    model = keras.Sequential([keras.Input(shape), L.Rescaling(1 / 255), L.Flatten(), L.Dense(10, "softmax")])
    answers = mnistry.Recognizer(mnistry.export(model, tmp_path / "own.onnx", fit=fit))
    np.testing.assert_allclose(answers.predict(IMAGES), np.asarray(model(given())), atol=1e-4)
    (said,) = answers.info.details["assumed"]
    assert f"it takes {shape}: images of 28×28 are {'padded' if fit == 'pad' else 'resized'}" in said


def test_padded_or_resized_is_seen_by_reading_digits_or_asked(tmp_path):
    digits = mnistry.load("digits")
    model = keras.Sequential([keras.Input((32, 32, 1)), L.Rescaling(1 / 255), L.Flatten(), L.Dense(10, "softmax")])
    model.compile(keras.optimizers.Adam(0.003), "sparse_categorical_crossentropy")
    model.fit(padded(32, digits.x_train), digits.y_train, epochs=4, verbose=0)
    padded_, read = mnistry.Recognizer(mnistry.export(model, tmp_path / "own.onnx")).info.details["assumed"]
    assert "padded with black to 32×32" in padded_
    assert "of the built-in digits so" in read
    with pytest.raises(UsageError, match=r"Say once which it learned: mnistry export FILE --fit resize, or pad"):
        keras_models.prepare(model)
    with pytest.raises(UsageError, match="Images fit by resize or pad; received 'crop'"):
        mnistry.export(model, tmp_path / "own.onnx", fit="crop")
    wide = keras.Sequential([keras.Input((32, 64, 1)), L.Rescaling(1 / 255), L.Flatten(), L.Dense(10)])
    with pytest.raises(UsageError, match=r"must take square images, .* takes \(32, 64, 1\)"):
        mnistry.export(wide, tmp_path / "own.onnx")


def two_ended(*ends):
    image = keras.Input((28, 28))
    flat = L.Flatten()(L.Rescaling(1 / 255)(image))
    return keras.Model(image, [end(flat) for end in ends])


def test_of_several_outputs_the_classifier_is_taken_or_asked_for(tmp_path):
    digit, other = L.Dense(10, "softmax", name="digit"), L.Dense(7, name="code")
    picture = keras.Sequential([L.Dense(784), L.Reshape((28, 28))], name="picture")
    for model, names in ((two_ended(picture, digit), None), (two_ended(other, digit), "abcdefghij")):
        answers = mnistry.Recognizer(mnistry.export(model, tmp_path / "own.onnx", names))
        np.testing.assert_allclose(answers.predict(IMAGES), np.asarray(model(IMAGES)[1]), atol=1e-4)
        assert answers.info.details["assumed"][0].endswith("digit is taken for the classifier")
    sentence = r"has 2 outputs, code \(n, 7\), digit \(n, 10\), and 2 of them can be the classifier\. Export the one"
    with pytest.raises(UsageError, match=sentence):
        mnistry.export(two_ended(other, digit), tmp_path / "own.onnx")
    thin = chain(L.Flatten(), L.Dense(10, "softmax"), L.Reshape((1, 10)), end=False)
    answers = mnistry.Recognizer(mnistry.export(thin, tmp_path / "own.onnx"))
    np.testing.assert_allclose(answers.predict(IMAGES), np.asarray(thin(IMAGES[..., None]))[:, 0], atol=1e-4)
    image = keras.Input((28, 28))
    named = keras.Model(image, {"digit": L.Dense(10, "softmax")(L.Flatten()(L.Rescaling(1 / 255)(image)))})
    answers = mnistry.Recognizer(mnistry.export(named, tmp_path / "own.onnx"))
    np.testing.assert_allclose(answers.predict(IMAGES), np.asarray(named(IMAGES)["digit"]), atol=1e-4)


def argmax():
    model = graph(lambda h: h)
    return keras.Model(model.input, keras.ops.argmax(model.output, axis=-1))


def diverged():
    model = chain(L.Flatten(), L.Dense(10), end=False)
    model.layers[-1].kernel.assign(np.full((784, 10), np.nan))
    return model


@pytest.mark.parametrize(
    ("make", "error", "sentence"),
    [
        (argmax, UsageError, r"gives \(n,\)\. Those are numbers of classes: export the network before its argmax"),
        (diverged, ModelError, r"has weights that are not numbers \(NaN\): its training diverged"),
        (lambda: chain(L.Flatten(), L.Dense(1), end=False), UsageError, "a regression, or the logit of two classes"),
    ],
)
def test_what_is_not_a_classifier_is_named(make, error, sentence, tmp_path):
    with pytest.raises(error, match=sentence):
        mnistry.export(make(), tmp_path / "own.onnx")


# Scaling


def unscaled():
    model = keras.Sequential([keras.Input((28, 28)), L.Flatten(), L.Dense(10, "softmax")])
    return stirred(model)


def test_the_scaling_is_asked_once_and_kept_in_the_file(tmp_path):
    model = unscaled()
    with pytest.raises(UsageError, match=r"does not scale its pixels itself\. Say once"):
        mnistry.export(model, tmp_path / "own.onnx")
    for pixels, scaled in (("0-1", IMAGES / 255), ("-1-1", IMAGES / 127.5 - 1), ("0-255", IMAGES)):
        path = mnistry.export(model, tmp_path / "own.onnx", pixels=pixels)
        answers = mnistry.Recognizer.load(path).predict(IMAGES)
        np.testing.assert_allclose(answers, np.asarray(model(scaled.astype(np.float32))), atol=2e-3)
    with pytest.raises(UsageError, match="Pixels are 0-255, 0-1, -1-1; received '1'"):
        mnistry.export(model, tmp_path / "own.onnx", pixels="1")
    by_hand = graph(lambda h: h, (28, 28))
    assert converter.scales_inside(by_hand)
    x = keras.Input((28, 28))
    assert converter.scales_inside(keras.Model(x, L.Dense(10)(L.Flatten()(x / 255.0))))
    assert not converter.scales_inside(model)
    idle = keras.Sequential([keras.Input((28, 28)), L.Normalization(axis=None), L.Flatten(), L.Dense(10)])
    assert not converter.scales_inside(idle)  # it was never adapted


def test_a_validation_set_gives_a_temperature(tmp_path):
    keras.utils.set_random_seed(0)
    digits = mnistry.load("digits")
    model = chain(L.Flatten(), L.Dense(10), end=False)
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(digits.x_train[:500], digits.y_train[:500], epochs=5, verbose=0)
    model.layers[-1].set_weights([each * 8 for each in model.layers[-1].get_weights()])  # much too sure
    validation = digits.x_test, digits.y_test
    plain = mnistry.Recognizer.load(mnistry.export(model, tmp_path / "plain.onnx"))
    fitted = mnistry.Recognizer.load(mnistry.export(model, tmp_path / "fitted.onnx", validation=validation))
    assert fitted.info.temperature > 1.5
    losses = [mnistry.evaluate(each.predict(validation[0]), validation[1]).loss for each in (plain, fitted)]
    assert losses[1] < losses[0]


# Files


def test_every_verb_takes_a_keras_file(tmp_path):
    model = chain(CONV(4, 3), L.Flatten(), L.Dense(10, "softmax"), end=False)
    for name in ("own.keras", "own.h5"):
        model.save(tmp_path / name)
        assert onnx_file.is_keras(tmp_path / name)
        expected = np.asarray(model(IMAGES[..., None].astype(np.float32)))
        np.testing.assert_allclose(load(tmp_path / name).predict(IMAGES), expected, atol=1e-4)
    _, result = evaluate_model(tmp_path / "own.keras", dataset="digits", with_corruptions=False)
    assert result.test.n == 360
    assert mnistry.predict_dataset(model, "digits").class_names == tuple("0123456789")
    with pytest.raises(UsageError, match="does not say on which data it was trained"):
        evaluate_model(tmp_path / "own.keras", with_corruptions=False)
    np.testing.assert_allclose(mnistry.Recognizer(tmp_path / "own.keras").predict(IMAGES), expected, atol=1e-4)


def changed(path: Path, change) -> Path:
    """The same .keras file with another config."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(parts["config.json"])
    change(config)
    parts["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return path


def test_no_program_in_a_file_is_run(tmp_path):
    with_lambda = chain(L.Lambda(lambda x: x * 2))
    with_lambda.save(tmp_path / "own.keras")
    with pytest.raises(ModelError, match="has a Lambda layer, which can run any program"):
        keras_models.load(tmp_path / "own.keras")
    chain().save(tmp_path / "own.keras")
    path = changed(tmp_path / "own.keras", lambda config: config.update(module="os", class_name="system"))
    with pytest.raises(ModelError, match="needs 'system' of 'os', which is not Keras's own"):
        keras_models.load(path)
    (tmp_path / "own.keras").write_bytes(b"PK\3\4 no archive")
    with pytest.raises(ModelError, match=r"own\.keras is damaged: it begins as a Keras model"):
        keras_models.load(tmp_path / "own.keras")


def test_weights_that_are_too_large_are_refused_before_they_are_read(tmp_path):
    with h5py.File(tmp_path / "own.h5", "w") as file:
        file.create_dataset("kernel", (10**6, 10**4), "f4", chunks=(1000, 1000))
    with pytest.raises(ModelError, match="has 10,000,000,000 weights; at most 50,000,000 are read"):
        keras_models.load(tmp_path / "own.h5")
