from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from mnistry.models import threefry
from mnistry.models.backend import jax

DRAW = """
import jax, numpy as np
key = jax.random.key({seed})
bits = np.asarray(jax.random.bits(key, (1001,), np.uint32))
print(bits.sum(dtype=np.uint64), float(jax.random.normal(key, (7, 3)).sum()))
"""


@pytest.mark.parametrize(
    ("key", "counter", "expected"),
    [  # the known answers of Random123's distribution, kat_vectors, "threefry2x32 20"
        ((0x00000000, 0x00000000), (0x00000000, 0x00000000), (0x6B200159, 0x99BA4EFE)),
        ((0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF), (0x1CB996FC, 0xBB002BE7)),
        ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0)),
    ],
)
def test_known_answers(key: tuple[int, int], counter: tuple[int, int], expected: tuple[int, int]) -> None:
    words = [np.array([word], np.uint32) for word in (*key, *counter)]
    with np.errstate(over="ignore"):
        drawn = threefry.threefry_2x32(*words)
    assert tuple(int(word[0]) for word in drawn) == expected


@pytest.mark.parametrize("seed", [0, 1, 2**31 + 5])
def test_bits_are_those_of_plain_jax(seed: int) -> None:
    plain = subprocess.run([sys.executable, "-c", DRAW.format(seed=seed)], capture_output=True, text=True, check=True)
    key = jax.random.key(seed)
    total = np.asarray(jax.random.bits(key, (1001,), np.uint32)).sum(dtype=np.uint64)
    assert plain.stdout.split() == [str(total), str(float(jax.random.normal(key, (7, 3)).sum()))]
