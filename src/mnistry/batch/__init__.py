"""Pictures by the million, on Ray Data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mnistry import _lazy

if TYPE_CHECKING:
    from mnistry.batch.job import BatchOptions, BatchSummary, run_batch

__all__ = ["BatchOptions", "BatchSummary", "run_batch"]

__getattr__, __dir__ = _lazy.attach(__name__, {"batch.job": "BatchOptions BatchSummary run_batch"})
