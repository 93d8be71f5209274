from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from mnistry.datasets.loading import Dataset
from mnistry.evaluation import metrics
from mnistry.models import backend
from mnistry.training import trainer
from mnistry.training.config import TrainConfig

WEIGHTS_IN_A_PROCESS = """
import hashlib
from mnistry import TrainConfig, train
trained = train(TrainConfig(dataset="digits", epochs=2, seed=9))
print(hashlib.sha256(b"".join(w.tobytes() for w in trained.model.get_weights())).hexdigest())
"""


def test_the_digits_are_learnt(digits: Dataset) -> None:
    trained = trainer.train(TrainConfig(dataset="digits", seed=1), dataset=digits)
    result = metrics.evaluate(backend.predict(trained.model, digits.x_test), digits.y_test)
    assert result.accuracy > 0.95
    assert len(trained.records) == 30


@pytest.mark.parametrize("batch_size", [1000, 1437])
def test_large_and_uneven_batches_train_on_everything(digits: Dataset, batch_size: int) -> None:
    trained = trainer.train(TrainConfig(epochs=2, batch_size=batch_size), dataset=digits)
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
    trained = trainer.train(TrainConfig(seed=0), dataset=mnist)
    result = metrics.evaluate(backend.predict(trained.model, mnist.x_test), mnist.y_test)
    assert result.n == 10_000
    assert result.accuracy > 0.972  # five seeds: 97.48% to 97.85%
    assert result.ece < 0.02
    assert np.isfinite(result.loss)
    assert result.loss < 0.1
