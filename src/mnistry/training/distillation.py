"""Distillation: a network learns from the averaged, softened answers of larger ones.

Hinton, Vinyals and Dean 2015, "Distilling the Knowledge in a Neural Network" (arXiv 1503.02531). The teachers answer
inside the compiled step, on the same freshly augmented images that the network learns from.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mnistry.errors import RunError, UsageError
from mnistry.models.backend import jax, keras
from mnistry.models.networks import with_precision
from mnistry.runtime.run_folder import MODEL

jnp = jax.numpy

TEMPERATURE = 2.0  # that the answers of teachers and student are divided by
TEACHER_SHARE = 0.9  # of the loss; the rest is that of the labels
AGREED = 0.95  # the teachers' probability of the label of a drawn image, below which only the label is learned


class Distillation:
    """Augmentation that gives the teachers' answers beside the labels.

    Attributes:
        values: the teachers' weights, for the last argument of a call.
    """

    def __init__(
        self,
        augment: Any,
        teachers: Sequence[keras.Model],
        outputs: int,
        certain: Callable[[int], np.ndarray] | None = None,
    ) -> None:
        """Set up distillation.

        Args:
            augment: `augment(key, images, labels, step)` gives the images to learn from and their labels.
            teachers: built; each gives (n, outputs) probabilities.
            outputs: how many the network has, "no digit" included.
            certain: `certain(n)` tells which of the images made of n have a label that is certain, as they were drawn;
                bool (m,). Where the teachers doubt it, only the label is learned. None for no image.

        Raises:
            UsageError: a teacher has another number of outputs.
        """
        for teacher in teachers:
            if teacher.output_shape[-1] != outputs:
                raise UsageError(
                    f"A teacher must have as many outputs as the network, {outputs}; {teacher.name} has "
                    f"{teacher.output_shape[-1]}."
                )
        self._augment, self._teachers, self._outputs = augment, tuple(teachers), outputs
        self._certain = certain
        self.values = [
            ([v.value for v in teacher.trainable_variables], [v.value for v in teacher.non_trainable_variables])
            for teacher in teachers
        ]

    def __call__(self, key: Any, images: Any, labels: Any, step: Any, values: Any) -> tuple[Any, Any]:
        """Return float32 images (m, 28, 28), and (m, 2 * outputs): softened answers, then one-hot labels."""
        x, y = self._augment(key, images, labels, step)
        answers = [
            teacher.stateless_call(*own, x, training=False)[0]
            for teacher, own in zip(self._teachers, values, strict=True)
        ]
        soft, hard = sum(soften(each) for each in answers) / len(answers), jax.nn.one_hot(y, self._outputs)
        if self._certain is not None:
            of_label = (sum(answers) / len(answers) * hard).sum(axis=1)
            doubted = (self._certain(len(images)) & (of_label < AGREED))[:, None]
            # The label weighs as much alone as both would together.
            soft, hard = jnp.where(doubted, 0.0, soft), jnp.where(doubted, hard / (1 - TEACHER_SHARE), hard)
        return x, jnp.concatenate([soft, hard], axis=1)


def soften(probabilities: Any, temperature: float = TEMPERATURE) -> Any:
    """Return the softmax of the logits divided by a temperature, from probabilities: float32 (n, outputs)."""
    return jax.nn.softmax(_logs(probabilities) / temperature)


def distillation_loss(labels: Any, probabilities: Any) -> Any:
    """Compute the loss of a network that learns from teachers, float (n,).

    Labels are (n, 2 * outputs), as `Distillation` gives them; or integers (n,), where only the labels count.
    """
    outputs, logs = probabilities.shape[-1], _logs(probabilities)
    if labels.shape[-1] != 2 * outputs or len(labels.shape) != 2:
        y = jnp.reshape(labels, (-1,)).astype("int32")
        return -jnp.take_along_axis(logs, y[:, None], axis=1)[:, 0]
    soft, hard = labels[:, :outputs], labels[:, outputs:]
    of_teachers = -(soft * jax.nn.log_softmax(logs / TEMPERATURE)).sum(axis=1) * TEMPERATURE**2
    return TEACHER_SHARE * of_teachers - (1 - TEACHER_SHARE) * (hard * logs).sum(axis=1)


def accuracy(labels: Any, probabilities: Any) -> Any:
    """Compute the share of right answers, with labels as `distillation_loss` takes them: float (n,)."""
    outputs = probabilities.shape[-1]
    if labels.shape[-1] == 2 * outputs and len(labels.shape) == 2:
        y = labels[:, outputs:].argmax(axis=-1)
    else:
        y = jnp.reshape(labels, (-1,)).astype("int32")
    return (probabilities.argmax(axis=-1) == y).astype("float32")


def load_teachers(names: str) -> list[keras.Model]:
    """Load the networks of finished runs, whose folders are named, separated by commas.

    Raises:
        RunError: a folder holds no finished run, or its network cannot be read.
    """
    teachers = []
    for name in names.split(","):
        path = Path(name.strip()).expanduser() / MODEL
        if not path.is_file():
            raise RunError(f"The teacher {name.strip()!r} is not a finished run: {path} is missing. Train it first.")
        try:
            teacher = keras.models.load_model(path, compile=False)
        except Exception as error:  # Keras raises whatever the part that is damaged leads to
            raise RunError(f"The teacher {path} cannot be read: {error}. Train it anew.") from None
        teachers.append(with_precision(teacher, "mixed_bfloat16") if jax.default_backend() == "gpu" else teacher)
    return teachers


def _logs(probabilities: Any) -> Any:
    return jnp.log(jnp.maximum(probabilities.astype("float32"), 1e-30))
