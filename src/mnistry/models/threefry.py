"""JAX's own random bits, compiled so that they cost next to nothing on a CPU.

JAX draws with Threefry-2x32 (Salmon et al. 2011, "Parallel Random Numbers: As Easy as 1, 2, 3"). On a CPU it
compiles the rounds as a loop of many small programs; written out they become one, which XLA fuses with what uses the
bits. The bits are the same, to the last: only the time differs (dropout in the lesson's step: from a third of it to
nothing that can be measured; the first weights: compiled in 0.4 s instead of 1.5 s).
"""

from __future__ import annotations

from typing import Any

import jax.extend.random
import numpy as np
from jax.interpreters import mlir

ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))  # in turn, four rounds each; table 2 of the paper, in bits
PARITY = np.uint32(0x1BD11BDA)
WORD = 32


def threefry_2x32(key_0: Any, key_1: Any, first: Any, second: Any) -> tuple[Any, Any]:
    """Twenty rounds of Threefry-2x32, written out: the words of the key and of the counters, to two random words.

    All are uint32; shapes broadcast.
    """
    keys = (key_0, key_1, key_0 ^ key_1 ^ PARITY)
    first, second = first + keys[0], second + keys[1]
    for block in range(5):
        for distance in ROTATIONS[block % 2]:
            first = first + second
            second = (second << np.uint32(distance)) | (second >> np.uint32(WORD - distance))
            second = first ^ second
        first, second = first + keys[(block + 1) % 3], second + keys[(block + 2) % 3] + np.uint32(block + 1)
    return first, second


def install() -> None:
    """Make programs compiled for a CPU from now on draw their random bits this way."""
    lowering = mlir.lower_fun(threefry_2x32, multiple_results=True)
    mlir.register_lowering(jax.extend.random.threefry2x32_p, lowering, platform="cpu")
