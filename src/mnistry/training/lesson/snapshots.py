"""The network's weights at moments of its training, packed for a page."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

MOST = 7  # moments that are kept: each is a seventh of a megabyte on the page
WEIGHTS = ("hidden", "hidden_bias", "output", "output_bias")


@dataclass(frozen=True)
class Network:
    """The lesson's network as a page takes it.

    Attributes:
        weights: float32 (784, hidden), (hidden,), (hidden, classes) and (classes,), of pixels from 0 to 1.
        moments: after how many epochs each earlier state was kept; 0 is before the first.
        earlier: the same four for each of these.
    """

    weights: tuple[np.ndarray, ...]
    moments: tuple[int, ...]
    earlier: tuple[tuple[np.ndarray, ...], ...]

    def pack(self) -> dict[str, Any]:
        """JSON: the weights as little-endian float32 in base64; those of earlier moments in 8 bits with a scale."""
        return {
            "classes": int(self.weights[3].shape[0]),
            "hidden": int(self.weights[1].shape[0]),
            "weights": {name: _float32(values) for name, values in zip(WEIGHTS, self.weights, strict=True)},
            "moments": list(self.moments),
            "earlier": [
                {name: _int8(values) for name, values in zip(WEIGHTS, moment, strict=True)} for moment in self.earlier
            ],
        }


class Snapshots:
    """Collect the weights during a training: before it, after the first epochs, and at a few moments between."""

    def __init__(self, epochs: int, first: Sequence[np.ndarray]) -> None:
        """Begin with the weights before the training."""
        wanted = np.unique(np.round(np.geomspace(1, epochs, MOST - 1)).astype(int)) if epochs >= MOST else range(epochs)
        self._wanted = {int(number) for number in wanted} - {epochs}
        self._kept = [(0, tuple(first))]

    def keep(self, epoch: int, weights: Sequence[np.ndarray]) -> None:
        """Keep the weights after an epoch, if it is one of the chosen."""
        if epoch in self._wanted:
            self._kept.append((epoch, tuple(weights)))

    def network(self, last: Sequence[np.ndarray]) -> Network:
        """The trained network with its earlier moments."""
        moments, earlier = zip(*self._kept, strict=True)
        return Network(tuple(last), moments, earlier)


def _float32(values: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(values, "<f4").tobytes()).decode("ascii")


def _int8(values: np.ndarray) -> dict[str, Any]:
    """Whole numbers from -127 to 127, and what one of them is worth."""
    scale = max(float(np.abs(values).max()) / 127, 1e-12)
    whole = np.rint(values / scale).astype(np.int8)
    return {"scale": scale, "values": base64.b64encode(np.ascontiguousarray(whole).tobytes()).decode("ascii")}
