"""Random numbers for compiled programs, drawn all at once and handed out piece by piece.

JAX compiles every call of its generator anew: a hundred small calls take a minute to compile, one large call a second.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from mnistry.models.backend import jax

jnp = jax.numpy

ROW = 8
EDGE = 6e-7  # float32 knows no number closer to 1 that is of use here


class RandomPool:
    """Hand out the numbers of one draw, in the order asked for; ValueError where more are asked for than were drawn."""

    def __init__(self, key: Any, count: int) -> None:
        """Draw `count` uniform numbers and as many normal ones from the key."""
        rows = -(-count // ROW)
        drawn = jax.random.uniform(key, (2, rows, ROW))
        self._uniform = materialize(drawn[0]).reshape(-1)
        self._normal = materialize(math.sqrt(2) * jax.lax.erf_inv((1 - EDGE) * (2 * drawn[1] - 1))).reshape(-1)
        self._used = {"uniform": 0, "normal": 0}

    def uniform(self, *shape: int, low: float = 0.0, high: float = 1.0) -> Any:
        """float32 of that shape, `low` to `high`."""
        return low + (high - low) * self._take("uniform", self._uniform, shape)

    def normal(self, *shape: int) -> Any:
        """float32 of that shape, of the standard normal distribution, cut off at five deviations."""
        return self._take("normal", self._normal, shape)

    def flip(self, chance: float, *shape: int) -> Any:
        """Bool of that shape, true with that chance."""
        return self.uniform(*shape) < chance

    def choose(self, options: int, *shape: int) -> Any:
        """int32 of that shape, 0 to options - 1."""
        return jnp.minimum(self.uniform(*shape, high=options).astype(jnp.int32), options - 1)

    def _take(self, kind: str, numbers: Any, shape: tuple[int, ...]) -> Any:
        start = self._used[kind]
        end = start + math.prod(shape)
        if end > len(numbers):
            raise ValueError(f"{len(numbers)} {kind} random numbers were drawn, and more are asked for")
        self._used[kind] = end
        return jax.lax.slice(numbers, (start,), (end,)).reshape(shape)


def materialize(values: Any) -> Any:
    """The same values (n, k), worked out once.

    XLA's CPU compiler would work them out again wherever they are used, for every pixel of an image, and removes
    barriers; a product of matrices it leaves alone. The identity changes no bit, at full precision: a GPU would round.
    """
    return jnp.matmul(values, np.eye(values.shape[-1], dtype=np.float32), precision=jax.lax.Precision.HIGHEST)
