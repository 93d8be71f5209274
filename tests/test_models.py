from __future__ import annotations

import numpy as np
import pytest

from mnistry import models
from mnistry.backend import keras
from mnistry.config import SettledConfig
from mnistry.errors import UsageError
from mnistry.loop import predict


def test_the_lessons_network_has_its_layers_and_weights() -> None:
    rows = models.layers(models.tutorial())
    assert [(row.kind, row.output, row.parameters) for row in rows] == [
        ("Rescaling(1/255)", (28, 28), 0),
        ("Flatten", (784,), 0),
        ("Dense(128, relu)", (128,), 100_480),
        ("Dropout(0.2)", (128,), 0),
        ("Dense(10, softmax)", (10,), 1_290),
    ]
    assert sum(row.parameters for row in rows) == 101_770


def test_first_weights_depend_on_the_seed_alone() -> None:
    one, same, other = (models.tutorial(seed=seed).get_weights() for seed in (3, 3, 4))
    assert all(np.array_equal(a, b) for a, b in zip(one, same, strict=True))
    assert not np.array_equal(one[0], other[0])
    assert not np.array_equal(one[2], other[2])


def test_first_weights_are_glorot_uniform() -> None:
    kernel = models.tutorial(seed=0).get_weights()[0]  # (784, 128)
    limit = np.sqrt(6 / (784 + 128))  # Glorot and Bengio 2010, equation 16
    assert np.abs(kernel).max() <= limit
    assert kernel.std() == pytest.approx(limit / np.sqrt(3), rel=0.01)


def test_the_network_divides_by_255_itself() -> None:
    model = models.tutorial(seed=1)
    kernel, bias, output_kernel, output_bias = model.get_weights()
    image = np.random.default_rng(0).integers(0, 256, (1, 28, 28), dtype=np.uint8)
    hidden = np.maximum(image.reshape(1, 784) / 255 @ kernel + bias, 0)
    scores = hidden @ output_kernel + output_bias
    expected = np.exp(scores) / np.exp(scores).sum()
    np.testing.assert_allclose(predict(model, image), expected, atol=1e-6)


def test_it_compiles_as_in_the_lesson() -> None:
    model = models.compile_model(models.tutorial(), learning_rate=0.001)
    assert type(model.optimizer) is keras.optimizers.Adam
    assert float(model.optimizer.learning_rate) == pytest.approx(0.001)
    assert model.loss == "sparse_categorical_crossentropy"


@pytest.mark.parametrize(("recipe", "outputs"), [("tutorial", 26), ("strong", 27)])
def test_other_numbers_of_classes(recipe: str, outputs: int) -> None:
    config = SettledConfig(recipe=recipe, dataset="d", epochs=1, batch_size=8, learning_rate=0.1, validation=0.0)
    assert models.build(config, classes=26, images=8).output_shape == (None, outputs)


def test_unknown_recipe_gets_a_hint() -> None:
    with pytest.raises(UsageError, match=r"no recipe named 'tutorail'\. Did you mean tutorial\?"):
        models.recipe("tutorail")
