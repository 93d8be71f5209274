from __future__ import annotations

import dataclasses

import pytest

from mnistry.datasets.loading import Dataset
from mnistry.errors import UsageError
from mnistry.training import recipes
from mnistry.training.config import ResolvedConfig, TrainConfig


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("epochs", 0, "The number of epochs must be 1 or more; received 0."),
        ("epochs", -3, "The number of epochs must be 1 or more; received -3."),
        ("batch_size", 0, "The batch size must be 1 or more; received 0."),
        ("seed", -1, "The seed must be a whole number from 0 to 4294967295; received -1."),
        ("seed", 2**32, "received 4294967296."),
        ("learning_rate", 0.0, "The learning rate must be a number above 0; received 0.0."),
        ("learning_rate", float("nan"), "The learning rate must be a number above 0; received nan."),
        ("validation", 0.6, "The part for validation must be from 0 to 0.5; received 0.6."),
        ("validation", -0.1, "received -0.1."),
        ("devices", 0, "The number of devices must be 1 or more; received 0."),
    ],
)
def test_values_that_make_no_sense_are_refused(field: str, value: object, sentence: str) -> None:
    with pytest.raises(UsageError) as refused:
        TrainConfig(**{field: value})
    assert sentence in str(refused.value)


def test_what_is_left_open_is_settled_by_the_data(digits: Dataset) -> None:
    assert recipes.resolve(TrainConfig(), digits) == ResolvedConfig(
        recipe="tutorial", dataset="digits", epochs=30, batch_size=32, learning_rate=0.001, validation=0.0
    )
    assert recipes.resolve(TrainConfig(recipe="strong"), digits) == ResolvedConfig(
        recipe="strong", dataset="digits", epochs=200, batch_size=128, learning_rate=0.1, validation=1 / 12
    )
    assert recipes.resolve(TrainConfig(epochs=2), digits).epochs == 2


def test_a_batch_cannot_be_larger_than_the_data(digits: Dataset) -> None:
    assert recipes.resolve(TrainConfig(batch_size=1437), digits).batch_size == 1437
    with pytest.raises(UsageError, match="at most the number of training images, 1,437; received 1,438"):
        recipes.resolve(TrainConfig(batch_size=1438), digits)


def test_the_batch_has_to_fit_what_validation_leaves(digits: Dataset) -> None:
    left = 1437 - 284  # a fifth of each class, rounded down
    assert recipes.resolve(TrainConfig(batch_size=left, validation=0.2), digits).batch_size == left
    with pytest.raises(UsageError, match=f"training images, {left:,}; received {left + 1:,}"):
        recipes.resolve(TrainConfig(batch_size=left + 1, validation=0.2), digits)


def test_an_unknown_recipe_is_refused(digits: Dataset) -> None:
    with pytest.raises(UsageError, match="There is no recipe named 'strnog'"):
        recipes.resolve(TrainConfig(recipe="strnog"), digits)


def test_settling_twice_changes_nothing(digits: Dataset) -> None:
    once = recipes.resolve(TrainConfig(), digits)
    assert recipes.resolve(once, digits) == once


def test_every_field_says_what_it_means() -> None:
    for field in dataclasses.fields(TrainConfig):
        assert field.metadata["meaning"].endswith(".")
        assert field.metadata["otherwise"]
