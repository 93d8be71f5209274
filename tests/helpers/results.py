"""Results made by hand, of no training."""

from __future__ import annotations

import numpy as np

from mnistry.datasets.loading import Dataset
from mnistry.evaluation.metrics import evaluate
from mnistry.models.networks import Layer
from mnistry.training.config import TrainConfig
from mnistry.training.lesson.snapshots import Network
from mnistry.training.lesson.steps import Facts
from mnistry.training.result import Result, Sample

DIGITS = tuple("0123456789")
LETTERS = tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ")


def made_by_hand(class_names: tuple[str, ...] = DIGITS, errors: int = 7, epochs: int = 3) -> Result:
    """A result of no training: 60 training images, 200 test images, each answered with 90% confidence."""
    classes, generator = len(class_names), np.random.default_rng(5)
    y_train, y_test = (np.arange(n, dtype=np.uint8) % classes for n in (60, 200))
    answers = y_test.astype(int)
    answers[:errors] = (answers[:errors] + 1) % classes
    p = np.full((200, classes), 0.1 / (classes - 1))
    p[np.arange(200), answers] = 0.9
    once = np.full(classes, 0.02 / (classes - 1))
    once[3] = 0.98
    dataset = Dataset(
        name="mnist",
        title="MNIST",
        x_train=generator.integers(0, 256, (60, 28, 28), np.uint8),
        y_train=y_train,
        x_test=generator.integers(0, 256, (200, 28, 28), np.uint8),
        y_test=y_test,
        class_names=class_names,
        source="a folder of mine",
        licence="CC BY-SA 3.0",
        digests={"images.gz": "12ab" * 16, "labels.gz": "34cd" * 16},
    )
    return Result(
        command="mnistry tutorial --dataset mnist --index 33 --epochs 3 --batch-size 16 --seed 4711",
        config=TrainConfig(dataset="mnist", epochs=epochs, batch_size=16, seed=4711),
        dataset=dataset,
        layers=(Layer("Flatten", (784,), 0), Layer("Dense(classes, softmax)", (classes,), 785 * classes)),
        weights_sha256="56ef" * 16,
        records=tuple(
            {"epoch": epoch, "loss": 1.5 / epoch, "accuracy": 1 - 0.5 / epoch, "seconds": 0.25}
            for epoch in range(1, epochs + 1)
        ),
        train=evaluate(np.eye(classes)[y_train], y_train),
        test=evaluate(p, y_test),
        sample=Sample(
            33, dataset.x_train[33], class_names[3], once, np.exp(once) / np.exp(once).sum(), class_names[3]
        ),
        grid=range(23, 43),
        seconds={"load": 0.125, "train": 12.5},
        environment={"python": "3.99.1", "processor": "an abacus"},
    )  # fmt: skip


def facts_of(result: Result) -> Facts:
    """The numbers in the words of the lesson, for a result made by hand."""
    return Facts(
        train=60,
        test=200,
        index=33,
        epochs=len(result.records),
        batch_size=16,
        hidden=8,
        classes=len(result.dataset.class_names),
        comparable=False,
    )


def network_of(classes: int, hidden: int = 8, seed: int = 7) -> Network:
    """A network of random weights, with two earlier moments."""
    generator = np.random.default_rng(seed)

    def weights() -> tuple[np.ndarray, ...]:
        shapes = ((784, hidden), (hidden,), (hidden, classes), (classes,))
        return tuple(generator.normal(0, 0.2, shape).astype(np.float32) for shape in shapes)

    return Network(weights(), (0, 1), (weights(), weights()))
