"""Where mnistry keeps what it can fetch or compute again, and how paths are shown."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder(part: str) -> Path:
    """The user's cache folder for one purpose; it may not exist yet.

    `MNISTRY_CACHE_DIR` names another place than the operating system's usual one.
    """
    chosen = os.environ.get("MNISTRY_CACHE_DIR")
    if chosen:
        return Path(chosen) / part
    import platformdirs

    return platformdirs.user_cache_path("mnistry", appauthor=False) / part


def short(path: Path) -> str:
    """The path with the home folder as ~, fit for a report that is passed on."""
    try:
        return f"~/{path.relative_to(Path.home())}"
    except (ValueError, RuntimeError):
        return str(path)
