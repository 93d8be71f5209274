"""One step of a training or an evaluation, and many of them, as functions that JAX compiles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mnistry.errors import UsageError
from mnistry.models.backend import jax, keras

jnp = jax.numpy

State = tuple[list[Any], list[Any], list[Any], list[Any]]
"""The values of trainable, non-trainable, optimizer and metric variables, in the model's order."""
Data = Any
"""x, (x, y) or (x, y, sample weights): arrays or trees of arrays, each with an axis of n images in front."""

Augment = Callable[..., tuple[Any, Any]]
"""`augment(key, x, y, step)` returns the inputs and labels to train on, perhaps more of them. The key is a JAX random
key, `step` the number of steps before. One with arrays of its own, in `values`, gets them as its last argument."""

Step = Callable[[keras.Model, Any, Data], tuple[Any, Any]]


class DataParallel:
    """Data-parallel placement: the data and the model on every device, an equal part of each batch on each."""

    def __init__(self, devices: int, batch_size: int) -> None:
        """Take the first `devices` local devices.

        Raises:
            UsageError: there are fewer, or they cannot share a batch evenly.
        """
        local = jax.local_devices()
        if devices > len(local):
            raise UsageError(f"There are {len(local)} devices of kind {local[0].platform}; received devices={devices}.")
        if batch_size % devices:
            raise UsageError(f"{devices} devices cannot share a batch of {batch_size} evenly: choose a multiple.")
        self.devices = devices
        mesh = jax.sharding.Mesh(np.array(local[:devices]), ("batch",))
        self._replicated = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
        self._split = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("batch"))

    def replicate(self, tree: Any, *, copied: bool = False) -> Any:
        """Put arrays on each device, whole; `copied` ones never share memory with those given."""
        return jax.device_put(tree, self._replicated, may_alias=False if copied else None)

    def split(self, batch: Any, batch_size: int) -> Any:
        """Inside a compiled step: put a part of the batch on each device."""
        if self.devices == 1 or batch_size % self.devices:  # a last short batch is computed on every device
            return batch
        return jax.lax.with_sharding_constraint(batch, jax.tree.map(lambda _: self._split, batch))


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class SparseRows:
    """A sparse matrix whose rows can be gathered: the same number of entries in each row, the unused ones out of range.

    Attributes:
        columns: int32 (n, entries); `width` where the entry is unused.
        values: (n, entries).
        width: the number of columns.
    """

    columns: Any
    values: Any
    width: int = field(metadata={"static": True})

    @classmethod
    def from_scipy(cls, matrix: Any) -> SparseRows:
        """Convert a SciPy sparse matrix."""
        rows = matrix.tocsr()
        rows.sort_indices()
        lengths = np.diff(rows.indptr)
        places = np.arange(lengths.max(initial=1)) < lengths[:, None]
        columns = np.full(places.shape, rows.shape[1], np.int32)
        values = np.zeros(places.shape, rows.dtype)
        columns[places], values[places] = rows.indices, rows.data
        return cls(columns, values, rows.shape[1])

    @classmethod
    def from_bcoo(cls, matrix: Any) -> SparseRows:
        """Convert JAX's sparse matrix.

        Raises:
            ValueError: it does not have two sparse dimensions.
        """
        if matrix.ndim != 2 or matrix.n_batch or matrix.n_dense:
            raise ValueError(f"a sparse array must be a matrix; received the shape {matrix.shape}")
        from scipy import sparse

        rows, columns = np.asarray(matrix.indices).T
        return cls.from_scipy(sparse.coo_matrix((np.asarray(matrix.data), (rows, columns)), matrix.shape))

    def to_bcoo(self) -> Any:
        """Convert to JAX's sparse matrix, which Keras hands to models."""
        n, entries = self.columns.shape
        rows = jnp.broadcast_to(jnp.arange(n, dtype=jnp.int32)[:, None], (n, entries))
        indices = jnp.stack([rows, self.columns], axis=-1).reshape(n * entries, 2)
        return jax.experimental.sparse.BCOO(
            (self.values.reshape(-1), indices), shape=(n, self.width), indices_sorted=True
        )


def train_step(model: keras.Model, state: State, batch: Data) -> tuple[State, Any]:
    """Run the model's own training step. Returns the new state and the step's logs."""
    logs, state = model.train_step(state, batch)
    return state, logs


def test_step(model: keras.Model, state: tuple[Any, Any, Any], batch: Data) -> tuple[Any, Any]:
    """Run the model's own evaluation step. Returns the new state (without the optimizer) and the step's logs."""
    logs, state = model.test_step(state, batch)
    return state, logs


def one_step(
    model: keras.Model,
    step: Step,
    batch_size: int,
    placement: DataParallel,
    augment: tuple[Augment, int] | None,
    keep_logs: bool,
    state: Any,
    data: Data,
    extra: Any,
    order: Any,
    index: Any,
) -> tuple[Any, Any]:
    """Run one step over the images order[index * batch_size : (index + 1) * batch_size].

    Returns the new state, and the step's logs if `keep_logs`, else None.
    """
    chosen = jax.lax.dynamic_slice(order, (index * batch_size,), (batch_size,))
    batch = placement.split(jax.tree.map(lambda leaf: leaf[chosen], data), batch_size)
    batch = convert_sparse(batch)
    if augment is not None:
        make, seed = augment
        before = _steps_before(model, state)
        x, y = batch
        own = (extra,) if hasattr(make, "values") else ()
        batch = make(jax.random.fold_in(jax.random.key(seed), before), x, y, before, *own)
    advanced, logs = step(model, state, batch)
    return _cast_like(state, advanced), logs if keep_logs else None


def many_steps(
    one: Callable[..., Any], keep_logs: bool, state: Any, data: Data, extra: Any, order: Any, first: Any, until: Any
) -> tuple[Any, Any]:
    """Run steps `first` to `until` - 1. Returns the state and the logs after the last; None as `one_step`."""
    kinds = jax.eval_shape(one, state, data, extra, order, first)[1] if keep_logs else None
    logs = jax.tree.map(lambda kind: jnp.zeros(kind.shape, kind.dtype), kinds)

    def body(index: Any, carry: tuple[Any, Any]) -> tuple[Any, Any]:
        advanced, found = one(carry[0], data, extra, order, index)
        return advanced, _cast_like(logs, found)

    return jax.lax.fori_loop(first, until, body, (state, logs))


def convert_sparse(batch: Data) -> Data:
    """Convert the sparse parts of a batch to JAX's sparse matrices."""

    def is_sparse(leaf: Any) -> bool:
        return isinstance(leaf, SparseRows)

    return jax.tree.map(lambda leaf: leaf.to_bcoo() if is_sparse(leaf) else leaf, batch, is_leaf=is_sparse)


def _cast_like(before: Any, after: Any) -> Any:
    """Values with the types of those before, as a variable keeps its own when it is assigned."""
    return jax.tree.map(lambda old, new: jnp.asarray(new, old.dtype), before, after)


def _steps_before(model: keras.Model, state: State) -> Any:
    """The number of steps the optimizer has made."""
    places = [place for place, one in enumerate(model.optimizer.variables) if one is model.optimizer.iterations]
    return state[2][places[0]]
