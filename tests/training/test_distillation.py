"""Distillation: targets and loss by hand, a training that goes on to the same bits, weights that start from runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mnistry.datasets.dataset import count_learning
from mnistry.datasets.loading import Dataset
from mnistry.errors import RunError, UsageError
from mnistry.models import networks, outputs
from mnistry.models.backend import jax, keras
from mnistry.runtime.callbacks import NO_CALLBACKS
from mnistry.training import checkpoints, distillation, recipes, trainer
from mnistry.training.checkpoints import Checkpoint
from mnistry.training.config import ResolvedConfig, TrainConfig
from mnistry.training.distillation import TEACHER_SHARE, TEMPERATURE, Distillation

OUTPUTS = 11
CONFIG = ResolvedConfig(
    recipe="strong",
    dataset="digits",
    epochs=3,
    batch_size=20,
    learning_rate=0.05,
    validation=0.2,
    settings={"width": 6},
)


def identity(key: Any, images: Any, labels: Any, step: Any) -> tuple[Any, Any]:
    return images.astype("float32"), labels


def random_probabilities(n: int, seed: int = 0) -> np.ndarray:
    return outputs.softmax(np.random.default_rng(seed).normal(0, 3, (n, OUTPUTS))).astype(np.float32)


def linear(seed: int) -> keras.Model:
    """A small teacher."""
    layers = [keras.Input((28, 28)), keras.layers.Rescaling(1 / 255), keras.layers.Flatten()]
    start = keras.initializers.GlorotUniform(seed)
    return keras.Sequential([*layers, keras.layers.Dense(OUTPUTS, activation="softmax", kernel_initializer=start)])


@pytest.fixture
def few(digits: Dataset) -> Dataset:
    return replace(digits, x_train=digits.x_train[:200], y_train=digits.y_train[:200])


def test_answers_are_softened_as_their_logits_would_be():
    logits = np.random.default_rng(0).normal(0, 3, (5, OUTPUTS))
    softened = distillation.soften(outputs.softmax(logits).astype(np.float32))
    np.testing.assert_allclose(softened, outputs.softmax(logits, TEMPERATURE), atol=1e-6)


def test_targets_are_the_teachers_mean_and_the_labels(digits: Dataset):
    teachers = [linear(seed) for seed in (0, 1)]
    made = Distillation(identity, teachers, OUTPUTS)
    x, y = digits.x_test[:8], digits.y_test[:8].astype(np.int32)
    images, targets = made(None, x, y, 0, made.values)
    assert np.array_equal(images, x)
    expected = np.mean([distillation.soften(teacher(x.astype(np.float32))) for teacher in teachers], axis=0)
    np.testing.assert_allclose(targets[:, :OUTPUTS], expected, atol=1e-6)
    assert np.array_equal(targets[:, OUTPUTS:], np.eye(OUTPUTS)[y])


def test_the_label_alone_counts_where_the_teachers_doubt_what_was_drawn(digits: Dataset):
    teachers = [linear(seed) for seed in (0, 1)]  # untrained: they doubt every label
    x, y = digits.x_test[:8], digits.y_test[:8].astype(np.int32)
    drawn = np.arange(8) % 2 == 1
    made = Distillation(identity, teachers, OUTPUTS, lambda n: drawn[:n])
    _, targets = made(None, x, y, 0, made.values)
    plain = Distillation(identity, teachers, OUTPUTS)
    np.testing.assert_array_equal(targets[~drawn], plain(None, x, y, 0, plain.values)[1][~drawn])
    assert (targets[drawn, :OUTPUTS] == 0).all()
    student = random_probabilities(8)
    loss = np.asarray(distillation.distillation_loss(targets, student))
    np.testing.assert_allclose(loss[drawn], -np.log(student[np.arange(8), y])[drawn], rtol=1e-5)


def test_a_drawn_image_that_the_teachers_know_keeps_their_answer(digits: Dataset):
    sure = linear(0)
    bias = np.full(OUTPUTS, -20.0)
    bias[7] = 20.0
    sure.set_weights([sure.get_weights()[0], bias])
    x, y = digits.x_test[:2], np.array([7, 3], np.int32)
    made = Distillation(identity, [sure], OUTPUTS, lambda n: np.ones(n, bool))
    _, targets = made(None, x, y, 0, made.values)
    assert targets[0, 7] > 0.99
    assert (targets[1, :OUTPUTS] == 0).all()


def test_the_loss_is_that_of_hinton():
    student, teacher, labels = random_probabilities(6), random_probabilities(6, 1), np.arange(6)
    soft = distillation.soften(teacher)
    targets = np.concatenate([soft, np.eye(OUTPUTS)[labels]], axis=1).astype(np.float32)
    of_teacher = -(soft * np.log(distillation.soften(student))).sum(axis=1)
    of_labels = -np.log(student[np.arange(6), labels])
    expected = TEACHER_SHARE * TEMPERATURE**2 * of_teacher + (1 - TEACHER_SHARE) * of_labels
    np.testing.assert_allclose(distillation.distillation_loss(targets, student), expected, rtol=1e-5)


@pytest.mark.parametrize("shape", [(6,), (6, 1)])
def test_without_teachers_the_loss_and_the_accuracy_are_those_of_the_labels(shape):
    student = random_probabilities(6)
    labels = np.array([student[0].argmax(), 1, 2, 3, 4, 5], np.int32)
    loss = distillation.distillation_loss(labels.reshape(shape), student)
    np.testing.assert_allclose(loss, -np.log(student[np.arange(6), labels]), rtol=1e-5)
    right = distillation.accuracy(labels.reshape(shape), student)
    assert np.array_equal(right, student.argmax(axis=1) == labels)
    targets = np.concatenate([student, np.eye(OUTPUTS)[labels]], axis=1)
    assert np.array_equal(distillation.accuracy(targets, student), right)


def trained(dataset: Dataset, folder: Path | None, *, stop_after: int = 99) -> list[np.ndarray]:
    model = recipes.build(
        replace(CONFIG, teachers="some"), classes=10, images=count_learning(dataset, CONFIG.validation)
    )

    def epoch(record: dict[str, Any], epochs: int) -> None:
        if record["epoch"] == stop_after:
            raise KeyboardInterrupt

    trainer.run_epochs(
        model, dataset, replace(CONFIG, teachers="some"), folder=folder, callbacks=replace(NO_CALLBACKS, epoch=epoch)
    )
    return model.get_weights()


def test_a_stopped_distillation_goes_on_to_the_same_bits(few, tmp_path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(trainer, "_augmentation", lambda *_: Distillation(identity, [linear(0)], OUTPUTS))
    whole = trained(few, None)
    with pytest.raises(KeyboardInterrupt):
        trained(few, tmp_path, stop_after=2)
    resumed = trained(few, tmp_path)
    assert all(a.tobytes() == b.tobytes() for a, b in zip(whole, resumed, strict=True))
    assert len(checkpoints.load_latest(tmp_path, print).records) == 3


def test_a_teacher_of_other_classes_is_refused():
    with pytest.raises(UsageError, match=r"as many outputs as the network, 27; .* has 11"):
        Distillation(identity, [linear(0)], 27)


def test_a_teacher_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(RunError, match=r"The teacher 'nobody' is not a finished run"):
        distillation.load_teachers("nobody")
    (tmp_path / "model.keras").write_bytes(b"no model")
    with pytest.raises(RunError, match=r"cannot be read"):
        distillation.load_teachers(str(tmp_path))


def test_teachers_come_from_their_runs(tmp_path):
    teacher = linear(3)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        teacher.save(tmp_path / name / "model.keras")
    found = distillation.load_teachers(f"{tmp_path / 'a'}, {tmp_path / 'b'}")
    assert len(found) == 2
    assert all(np.array_equal(a, b) for a, b in zip(found[1].get_weights(), teacher.get_weights(), strict=True))


def test_the_lessons_recipe_cannot_learn_from_teachers(digits: Dataset):
    config = recipes.resolve(TrainConfig(dataset="digits", teachers="some"), digits)
    with pytest.raises(UsageError, match="The recipe tutorial cannot learn from teachers; strong and teacher can"):
        recipes.build(config, classes=10, images=100)


# Weights that start from other runs


def keep(folder: Path, model: keras.Model) -> str:
    folder.mkdir()
    values = [np.asarray(v.value) for v in [*model.trainable_variables, *model.non_trainable_variables]]
    record = {"epoch": 1, "loss": 0.5, "seconds": 1.0}
    kept = [*values, np.zeros(3)]  # the optimizer's come after them
    checkpoints.write(folder, Checkpoint(1, kept, [record], {"data": {}, "versions": {}}))
    return str(folder)


def test_weights_start_from_the_mean_of_runs(tmp_path):
    runs = [networks.strong(seed=seed, width=6) for seed in (1, 2)]
    names = ",".join(keep(tmp_path / str(place), model) for place, model in enumerate(runs))
    model = networks.strong(seed=3, width=6)
    trainer._start_from(model, names, print)
    for found, one, other in zip(model.get_weights(), *(each.get_weights() for each in runs), strict=True):
        np.testing.assert_allclose(found, (one + other) / 2, rtol=1e-6)


def test_weights_of_another_network_or_of_nobody_are_refused(tmp_path):
    name = keep(tmp_path / "run", networks.strong(width=12))
    with pytest.raises(RunError, match="are of another network"):
        trainer._start_from(networks.strong(width=6), name, print)
    with pytest.raises(RunError, match="There is no checkpoint in"):
        trainer._start_from(networks.strong(width=6), str(tmp_path / "nobody"), print)


def test_depth_adds_a_convolution_at_each_size():
    plain, deep = (networks.strong(width=24, depth=depth) for depth in (0, 1))
    sizes = [
        [layer.output.shape[1:] for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
        for model in (plain, deep)
    ]
    assert sizes[0] == [(14, 14, 4), (7, 7, 12), (7, 7, 16), (4, 4, 24)]
    assert sizes[1] == [(14, 14, 4)] * 2 + [(7, 7, 12)] + [(7, 7, 16)] * 2 + [(4, 4, 24)] * 2


def test_the_teacher_is_large_and_ends_as_the_student_does():
    model = networks.teacher(width=16, depth=2, kernel=5)
    sizes = [layer.output.shape[1:] for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    assert sizes == [(28, 28, 4)] * 2 + [(14, 14, 8)] * 2 + [(7, 7, 16)] * 2
    assert model.output_shape == (None, OUTPUTS)
    usual = networks.teacher()
    assert usual.count_params() > 1_000_000
    assert jax.default_backend() != "cpu" or {layer.compute_dtype for layer in usual.layers} == {"float32"}
