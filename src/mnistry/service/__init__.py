"""The web page and the REST service."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mnistry import _lazy

if TYPE_CHECKING:
    from mnistry.service.server import ServerSettings, serve

__all__ = ["ServerSettings", "serve"]

__getattr__, __dir__ = _lazy.attach(__name__, {"service.server": "ServerSettings serve"})
