from __future__ import annotations

import numpy as np
import pytest

from mnistry.errors import UsageError
from mnistry.models import networks
from mnistry.models.backend import jax, keras, predict
from mnistry.training import recipes
from mnistry.training.config import ResolvedConfig
from mnistry.training.losses import SmoothedCrossEntropy


def test_the_lessons_network_has_its_layers_and_weights() -> None:
    rows = networks.layers(networks.tutorial())
    assert [(row.kind, row.output, row.parameters) for row in rows] == [
        ("Rescaling(1/255)", (28, 28), 0),
        ("Flatten", (784,), 0),
        ("Dense(128, relu)", (128,), 100_480),
        ("Dropout(0.2)", (128,), 0),
        ("Dense(10, softmax)", (10,), 1_290),
    ]
    assert sum(row.parameters for row in rows) == 101_770


def test_first_weights_depend_on_the_seed_alone() -> None:
    one, same, other = (networks.tutorial(seed=seed).get_weights() for seed in (3, 3, 4))
    assert all(np.array_equal(a, b) for a, b in zip(one, same, strict=True))
    assert not np.array_equal(one[0], other[0])
    assert not np.array_equal(one[2], other[2])


def test_first_weights_are_glorot_uniform() -> None:
    kernel = networks.tutorial(seed=0).get_weights()[0]  # (784, 128)
    limit = np.sqrt(6 / (784 + 128))  # Glorot and Bengio 2010, equation 16
    assert np.abs(kernel).max() <= limit
    assert kernel.std() == pytest.approx(limit / np.sqrt(3), rel=0.01)


def test_the_network_divides_by_255_itself() -> None:
    model = networks.tutorial(seed=1)
    kernel, bias, output_kernel, output_bias = model.get_weights()
    image = np.random.default_rng(0).integers(0, 256, (1, 28, 28), dtype=np.uint8)
    hidden = np.maximum(image.reshape(1, 784) / 255 @ kernel + bias, 0)
    scores = hidden @ output_kernel + output_bias
    expected = np.exp(scores) / np.exp(scores).sum()
    np.testing.assert_allclose(predict(model, image), expected, atol=1e-6)


def test_it_compiles_as_in_the_lesson() -> None:
    model = recipes.compile_model(networks.tutorial(), learning_rate=0.001)
    assert type(model.optimizer) is keras.optimizers.Adam
    assert float(model.optimizer.learning_rate) == pytest.approx(0.001)
    assert model.loss == "sparse_categorical_crossentropy"


@pytest.mark.parametrize(("recipe", "outputs"), [("tutorial", 26), ("strong", 27)])
def test_other_numbers_of_classes(recipe: str, outputs: int) -> None:
    config = ResolvedConfig(recipe=recipe, dataset="d", epochs=1, batch_size=8, learning_rate=0.1, validation=0.0)
    assert recipes.build(config, classes=26, images=8).output_shape == (None, outputs)


def test_the_strong_network_has_its_layers_and_weights() -> None:
    rows = [(row.kind, row.output, row.parameters) for row in networks.layers(networks.strong())]
    assert [row for row in rows if row[0] not in ("BatchNormalization", "ReLU")] == [
        ("Rescaling(1/255)", (28, 28), 0),
        ("Reshape", (28, 28, 1), 0),
        ("Conv2D(16, 5×5, stride 2)", (14, 14, 16), 400),
        ("Conv2D(48, 3×3, stride 2)", (7, 7, 48), 6_912),
        ("Conv2D(64, 3×3)", (7, 7, 64), 27_648),
        ("Conv2D(96, 3×3, stride 2)", (4, 4, 96), 55_296),
        ("Flatten", (1536,), 0),
        ("Dense(11, softmax)", (11,), 16_907),
    ]
    assert [row[2] for row in rows if row[0] == "BatchNormalization"] == [64, 192, 256, 384]
    assert sum(parameters for _, _, parameters in rows) == 108_059


def test_the_docstring_of_the_strong_network_has_its_figures() -> None:
    model, text = networks.strong(), str(networks.strong.__doc__)
    assert f"{model.count_params():,} weights for ten classes" in text
    convolutions = [(layer, layer.output.shape[1] * layer.output.shape[2]) for layer in model.layers
                    if isinstance(layer, keras.layers.Conv2D)]  # fmt: skip
    products = sum(places * np.prod(layer.kernel.shape) for layer, places in convolutions) + np.prod(
        model.layers[-1].kernel.shape
    )
    assert f"{products / 1e6:.1f} million multiplications an image" in text


def test_first_weights_of_the_strong_network_depend_on_the_seed_alone() -> None:
    one, same, other = (networks.strong(seed=seed).get_weights() for seed in (3, 3, 4))
    assert all(np.array_equal(a, b) for a, b in zip(one, same, strict=True))
    drawn = [number for number, weights in enumerate(one) if weights.ndim > 1]
    assert len(drawn) == 5
    assert not any(np.array_equal(one[number], other[number]) for number in drawn)
    for number in drawn[:-1]:
        inputs = np.prod(one[number].shape[:-1])
        assert one[number].std() == pytest.approx(np.sqrt(2 / inputs), rel=0.1)  # He et al. 2015


def test_the_strong_network_answers_for_each_class_and_for_none() -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 28, 28), np.uint8)
    outputs = predict(networks.strong(classes=26), images)
    assert outputs.shape == (3, 27)
    np.testing.assert_allclose(outputs.sum(axis=1), 1, atol=1e-5)


def learning_rates(model: keras.Model, steps: int) -> np.ndarray:
    """Of the first steps of a training."""
    return np.asarray(jax.jit(jax.vmap(model.optimizer._learning_rate))(np.arange(steps)))


def test_the_rate_of_the_strong_recipe_rises_and_falls_to_nothing() -> None:
    model = recipes.compile_strong(networks.strong(), learning_rate=0.1, steps=1000)
    rates = learning_rates(model, 1001)
    assert rates[0] == pytest.approx(0.1 / 25)
    assert rates[150] == pytest.approx(0.1)
    assert rates[1000] == pytest.approx(0, abs=1e-7)
    assert np.diff(rates[:151]).min() > 0 > np.diff(rates[150:]).max()
    assert rates[575] == pytest.approx(0.05, rel=0.01)  # half way down, a cosine is at the half


@pytest.mark.parametrize("steps", [1, 2, 6, 7])
def test_the_shortest_trainings_have_a_rate_too(steps: int) -> None:
    model = recipes.compile_strong(networks.tutorial(), learning_rate=0.1, steps=steps)
    rates = learning_rates(model, steps)
    assert np.isfinite(rates).all()
    assert 0 < rates.max() <= 0.1 + 1e-8


def test_only_kernels_decay() -> None:
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3), keras.layers.BatchNormalization()])
    recipes.compile_strong(model, learning_rate=0.1, steps=1)  # so short that the rate does not rise
    for each in model.trainable_variables:
        each.assign(np.random.default_rng(0).normal(size=each.shape))
    before = {each.path: np.asarray(each.value) for each in model.trainable_variables}
    model.optimizer.apply([np.zeros(each.shape, np.float32) for each in model.trainable_variables],
                          model.trainable_variables)  # fmt: skip
    for each in model.trainable_variables:
        shrunk = 1 - 0.1 * recipes.WEIGHT_DECAY if each.name == "kernel" else 1
        np.testing.assert_allclose(each.value, before[each.path] * shrunk, rtol=1e-5)


def test_smoothed_cross_entropy_by_hand() -> None:
    probabilities = np.array([[0.6, 0.3, 0.1], [0.6, 0.3, 0.1], [0.6, 0.3, 0.1]], np.float32)
    given = np.asarray(SmoothedCrossEntropy(reduction=None)(np.array([0, 1, 2]), probabilities))
    # 0.95 for the label and 0.05 shared by the two classes; no digit, the last, is not smoothed.
    assert given == pytest.approx(
        [
            -0.95 * np.log(0.6) - 0.025 * (np.log(0.6) + np.log(0.3)),
            -0.95 * np.log(0.3) - 0.025 * (np.log(0.6) + np.log(0.3)),
            -np.log(0.1),
        ],
        rel=1e-6,
    )


def test_smoothed_cross_entropy_takes_columns_of_labels_and_certainty() -> None:
    certain = np.eye(11, dtype=np.float32)
    labels = np.arange(11)
    loss = SmoothedCrossEntropy(reduction=None)
    rows = np.asarray(loss(labels, certain))
    assert np.array_equal(loss(labels[:, None], certain), rows)
    assert np.isfinite(rows).all()
    assert rows[10] == 0
    assert rows[:10] == pytest.approx(-0.05 * 0.9 * np.log(keras.config.epsilon()), rel=1e-5)  # sure is not wanted


@pytest.mark.parametrize(("images", "epochs"), [(60_000, 5), (240_000, 5), (30_000, 10), (1_437, 30)])
def test_the_lesson_takes_more_epochs_where_there_are_fewer_images(images: int, epochs: int) -> None:
    assert recipes.find_recipe("tutorial").epochs(images) == epochs


@pytest.mark.parametrize(("images", "epochs"), [(60_000, 20), (240_000, 20), (30_000, 40), (1_437, 200)])
def test_the_strong_recipe_takes_more_epochs_where_there_are_fewer_images(images: int, epochs: int) -> None:
    assert recipes.find_recipe("strong").epochs(images) == epochs


@pytest.mark.parametrize(("recipe", "steps"), [("tutorial", 3 * 13), ("strong", 3 * 12)])
def test_with_augmentation_what_fills_no_batch_is_left_out(recipe: str, steps: int) -> None:
    config = ResolvedConfig(recipe=recipe, dataset="d", epochs=3, batch_size=8, learning_rate=0.1, validation=0.0)
    assert recipes.count_steps(config, 100) == steps


def test_unknown_recipe_gets_a_hint() -> None:
    with pytest.raises(UsageError, match=r"no recipe named 'tutorail'\. Did you mean tutorial\?"):
        recipes.find_recipe("tutorail")


def test_the_strong_recipes_width_is_that_of_its_network() -> None:
    assert recipes.find_recipe("strong").settings["width"].default == networks.CHANNELS[-1]
