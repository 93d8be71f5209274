"""The command line, one module a verb."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mnistry import _lazy

if TYPE_CHECKING:
    from mnistry.cli.app import main

__all__ = ["main"]

__getattr__, __dir__ = _lazy.attach(__name__, {"cli.app": "main"})
