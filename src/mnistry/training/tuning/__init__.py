"""Search for good settings of a recipe: random settings, asynchronous successive halving, on Ray Tune."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mnistry import _lazy

if TYPE_CHECKING:
    from mnistry.training.tuning.run import search

__all__ = ["search"]

__getattr__, __dir__ = _lazy.attach(__name__, {"training.tuning.run": "search"})
