"""Data sets by name or path, always verified."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mnistry import _lazy

if TYPE_CHECKING:
    from mnistry.datasets.dataset import Dataset, split
    from mnistry.datasets.loading import load

__all__ = ["Dataset", "load", "split"]

__getattr__, __dir__ = _lazy.attach(__name__, {"datasets.dataset": "Dataset split", "datasets.loading": "load"})
