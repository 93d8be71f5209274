"""Augmentation of the strong recipe for classes other than the ten digits.

`augment` draws digits of its own and knows which of them are none when they are cut or turned. Of other classes nothing
of the kind is known: here their images are bent, moved and spoilt as digits are, and what belongs to no class is
scribbles and blanks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mnistry.models.backend import jax
from mnistry.training.augmentation import strokes
from mnistry.training.augmentation.pipeline import (
    CALM,
    CALMING,
    NEGATIVE,
    NUMBERS,
    SPOILT,
    SPOILT_EPOCHS,
    UNSPOILT_EPOCHS,
    blank,
    spoilt,
    thickened,
    warped,
)
from mnistry.training.augmentation.random_pool import Dice

jnp = jax.numpy


def for_training(
    classes: int, epochs: int, steps: int, *, strength: float = 1.0
) -> Callable[[Any, Any, Any, Any], tuple[Any, Any]]:
    """Make a function that turns a batch into a larger one; see `pipeline.for_training`.

    Args:
        classes: how many there are; the label of what is none of them is this number.
        epochs: how many there will be.
        steps: how many there will be in all.
        strength: how far images are moved and bent, and how many are spoilt, as a multiple of what is usual.
    """
    part = SPOILT * strength * min(max((epochs - UNSPOILT_EPOCHS) / (SPOILT_EPOCHS - UNSPOILT_EPOCHS), 0.0), 1.0)

    def at_step(key: Any, images: Any, labels: Any, step: Any) -> tuple[Any, Any]:
        over = jnp.clip((step / steps - CALMING) / (1 - CALMING), 0.0, 1.0)
        excitement = 1 - (1 - CALM) * over
        n = len(images)
        dice = Dice(key, NUMBERS * n)
        none = round(n * NEGATIVE)
        drawn = [strokes.scribble(dice, none // 2), blank(dice, none - none // 2)]
        x = jnp.concatenate([images.astype(jnp.float32) / 255, *drawn])
        y = jnp.concatenate([labels, jnp.full(none, classes, labels.dtype)])
        mixed = np.random.default_rng(0).permutation(n + none)  # `spoilt` takes the first ones
        x = spoilt(dice, thickened(dice, warped(dice, x[mixed], excitement, strength), strength), part, excitement)
        return 255 * jnp.clip(x, 0, 1), y[mixed]

    return at_step
