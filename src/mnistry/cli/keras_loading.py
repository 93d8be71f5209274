"""Keras imported for a command: without what commands do not need, in two thirds of the time."""

from __future__ import annotations

import gc
import sys
import types
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

# Loaded by Keras for its wrappers, data frames, galleries and notebooks if they are there; no command uses them.
NOT_FOR_COMMANDS = ("IPython", "cv2", "matplotlib", "pandas", "pydot", "requests", "sklearn")
# Loaded by JAX and Keras at once: sparse eigenvalues, attention on TPUs, files of weights.
ATTENTION = "jax.experimental.pallas.ops.tpu.splash_attention"
LOADED_WHEN_USED = (
    "h5py",
    "jax.extend.pallas",
    "scipy.sparse",
    "scipy.sparse.linalg",
    ATTENTION,
    f"{ATTENTION}.splash_attention_kernel",
    f"{ATTENTION}.splash_attention_mask",
)


class LoadedWhenUsed(types.ModuleType):
    """A module that is loaded when one of its names is used."""

    def __getattr__(self, name: str) -> Any:
        """Look a name up in the module itself."""
        if name.startswith("__"):
            raise AttributeError(name)
        inner = sys.modules.get(f"{self.__name__}.{name}")
        if isinstance(inner, LoadedWhenUsed):
            return inner
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(import_module(self.__name__), name)


def import_keras() -> None:
    """Import Keras on JAX."""
    hidden: dict[str, Any] = {name: None for name in NOT_FOR_COMMANDS if name not in sys.modules}
    hidden |= {name: LoadedWhenUsed(name) for name in LOADED_WHEN_USED if name not in sys.modules}
    sys.modules.update(hidden)
    find_all = metadata.distributions
    # JAX looks for a plugin of AMD's by reading the facts of all that is installed.
    if not any(any(Path(folder).glob("jax_rocm*")) for folder in sys.path):
        setattr(metadata, "distributions", lambda: iter(()))  # noqa: B010 - mypy refuses the plain form
    gc.disable()  # an import makes objects and leaves hardly any garbage
    try:
        import_module("mnistry.models.backend")
    finally:
        gc.freeze()  # a million objects that stay to the end: never looked through, half a second less at exit
        gc.enable()
        setattr(metadata, "distributions", find_all)  # noqa: B010 - mypy refuses the plain form
        for name, module in hidden.items():
            if sys.modules.get(name, hidden) is module:
                del sys.modules[name]
