"""Label errors, duplicates, image quality and class balance of a data set."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mnistry import _lazy

if TYPE_CHECKING:
    from mnistry.audit.result import DatasetAudit
    from mnistry.audit.run import audit_dataset

__all__ = ["DatasetAudit", "audit_dataset"]

__getattr__, __dir__ = _lazy.attach(__name__, {"audit.result": "DatasetAudit", "audit.run": "audit_dataset"})
