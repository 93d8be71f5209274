"""Lazy public names: a package's door loads a module when one of its names is first used (PEP 562)."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any

from mnistry.errors import missing_extra


def attach(package: str, homes: Mapping[str, str], *own: str) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Make the `__getattr__` and `__dir__` of a package.

    Args:
        package: `__name__` of the package.
        homes: for each module below `mnistry` the public names that it defines, separated by blanks.
        own: public names that the package has itself.
    """
    modules = {name: f"mnistry.{module}" for module, names in homes.items() for name in names.split()}

    def __getattr__(name: str) -> Any:  # noqa: N807 - becomes the package's own
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        try:
            module = importlib.import_module(modules[name])
        except ModuleNotFoundError as error:
            raise missing_extra(f"{package}.{name}", error.name) or error from None
        return getattr(module, name)

    def __dir__() -> list[str]:  # noqa: N807 - becomes the package's own
        return sorted([*modules, *own])

    return __getattr__, __dir__
