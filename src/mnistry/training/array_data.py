"""The arrays given to `fit`, as compiled epochs take them."""

from __future__ import annotations

from typing import Any

import numpy as np

from mnistry.errors import UsageError
from mnistry.models.backend import array_slicing, jax, keras
from mnistry.training.steps import Data, SparseRows

ALIGNMENT = 64  # bytes, for XLA on a CPU
ROWS_COMPARED = 256  # at once: they stay in the cache


class ArrayData:
    """The data of an iterator over arrays, whole, as Keras would hand them to the model batch by batch.

    Attributes:
        whole: x, (x, y) or (x, y, sample weights): arrays, or trees of them, that share no memory with those given.
    """

    whole: Data

    def __init__(self, iterator: Any) -> None:
        """Convert the arrays.

        Raises:
            ValueError: a sparse tensor of a kind whose rows cannot be gathered in a compiled program.
            UsageError: an array is masked.
        """
        self._given = iterator.data_adapter._inputs
        self._convert()

    def update(self) -> bool:
        """Convert the arrays again if somebody has changed NumPy's among them since. Tells whether that was so."""
        given = keras.tree.flatten(self._given)
        changed = any(
            isinstance(before, np.ndarray) and not _is_same(before, after)
            for before, after in zip(given, self._converted, strict=True)
        )
        if changed:
            self._convert()
        return changed

    def _convert(self) -> None:
        given = keras.tree.map_structure(_copy, self._given, none_is_leaf=False)
        self._converted = keras.tree.flatten(given)
        given = array_slicing.convert_to_sliceable(given, target_backend="jax")
        self.whole = keras.tree.map_structure(_finish, given, none_is_leaf=False)


def _copy(array: Any) -> Any:
    """Copy NumPy's arrays of numbers, to where JAX can use them without one more copy; floats get Keras's type."""
    if isinstance(array, np.ma.MaskedArray):
        raise UsageError("NumPy's masked arrays have no values where they are masked: fill them with .filled(value).")
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "biuf":
        return array
    dtype = jax.numpy.dtype(keras.config.floatx()) if array.dtype.kind == "f" else array.dtype.newbyteorder("=")
    size = array.size * dtype.itemsize
    memory = np.empty(size + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    copy: np.ndarray = memory[start : start + size].view(dtype).reshape(array.shape)
    np.copyto(copy, array, casting="unsafe")
    return copy


def _is_same(given: np.ndarray, converted: np.ndarray) -> bool:
    for start in range(0, len(given), ROWS_COMPARED):
        now, before = given[start : start + ROWS_COMPARED], converted[start : start + ROWS_COMPARED]
        now = now.astype(before.dtype, copy=False)
        if not np.array_equal(now, before) and not np.array_equal(now, before, equal_nan=before.dtype.kind == "f"):
            return False
    return True


def _finish(part: Any) -> Any:
    """Convert what Keras can slice to a NumPy array, or to sparse rows."""
    if isinstance(part, array_slicing.ScipySparseSliceable):
        return SparseRows.from_scipy(part.array)
    if isinstance(part, array_slicing.JaxSparseSliceable):
        return SparseRows.from_bcoo(part.array)
    values = np.asarray(part.convert_to_jax_compatible(part[:]))
    return values.astype(values.dtype.newbyteorder("="), copy=False)
