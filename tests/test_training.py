from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from mnistry import evaluation, loop, training
from mnistry.data import Dataset
from mnistry.errors import UsageError
from mnistry.training import TrainConfig

WEIGHTS_IN_A_PROCESS = """
import hashlib
from mnistry import TrainConfig, train
trained = train(TrainConfig(dataset="digits", epochs=2, seed=9))
print(hashlib.sha256(b"".join(w.tobytes() for w in trained.model.get_weights())).hexdigest())
"""


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("epochs", 0, "The number of epochs must be 1 or more; received 0."),
        ("epochs", -3, "The number of epochs must be 1 or more; received -3."),
        ("batch_size", 0, "The batch size must be 1 or more; received 0."),
        ("seed", -1, "The seed must be a whole number from 0 to 4294967295; received -1."),
        ("seed", 2**32, "received 4294967296."),
        ("recipe", "strnog", "There is no recipe named 'strnog'."),
    ],
)
def test_values_that_make_no_sense_are_refused(field: str, value: object, sentence: str) -> None:
    with pytest.raises(UsageError) as refused:
        TrainConfig(**{field: value})
    assert sentence in str(refused.value)


def test_what_is_left_open_is_settled_by_the_data(digits: Dataset) -> None:
    assert TrainConfig().settled(digits) == TrainConfig(dataset="digits", epochs=30)
    assert TrainConfig(epochs=2).settled(digits).epochs == 2


def test_a_batch_cannot_be_larger_than_the_data(digits: Dataset) -> None:
    assert TrainConfig(batch_size=1437).settled(digits).batch_size == 1437
    with pytest.raises(UsageError, match="at most the number of training images, 1,437; received 1,438"):
        TrainConfig(batch_size=1438).settled(digits)


def test_the_digits_are_learnt(digits: Dataset) -> None:
    trained = training.train(TrainConfig(dataset="digits", seed=1), dataset=digits)
    result = evaluation.evaluate(loop.predict(trained.model, digits.x_test), digits.y_test)
    assert result.accuracy > 0.95
    assert len(trained.epochs) == 30


@pytest.mark.parametrize("batch_size", [1000, 1437])
def test_large_and_uneven_batches_train_on_everything(digits: Dataset, batch_size: int) -> None:
    trained = training.train(TrainConfig(epochs=2, batch_size=batch_size), dataset=digits)
    assert int(trained.model.optimizer.iterations) == 2 * -(-1437 // batch_size)


def test_same_seed_same_bits_in_another_process() -> None:
    digests = {
        subprocess.run(
            [sys.executable, "-c", WEIGHTS_IN_A_PROCESS], capture_output=True, text=True, check=True, env=os.environ
        ).stdout
        for _ in range(2)
    }
    assert len(digests) == 1


def test_the_lessons_accuracy_on_mnist(mnist: Dataset) -> None:
    trained = training.train(TrainConfig(seed=0), dataset=mnist)
    result = evaluation.evaluate(loop.predict(trained.model, mnist.x_test), mnist.y_test)
    assert result.n == 10_000
    assert result.accuracy > 0.972  # five seeds: 97.48% to 97.85%
    assert result.ece < 0.02
    assert np.isfinite(result.loss)
    assert result.loss < 0.1
