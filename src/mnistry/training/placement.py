"""Where a training's arrays lie, on one device or several."""

from __future__ import annotations

from typing import Any

import numpy as np

from mnistry.errors import UsageError
from mnistry.models.backend import jax


class Placement:
    """Where arrays lie: the data and the model on every device, a batch in equal parts on all."""

    def __init__(self, devices: int, batch_size: int) -> None:
        """Takes the first so many local devices.

        Raises:
            UsageError: there are not as many, or they cannot share a batch evenly.
        """
        local = jax.local_devices()
        if devices > len(local):
            raise UsageError(f"There are {len(local)} devices of kind {local[0].platform}; received devices={devices}.")
        if batch_size % devices:
            raise UsageError(f"{devices} devices cannot share a batch of {batch_size} evenly: choose a multiple.")
        self.devices = devices
        mesh = jax.sharding.Mesh(np.array(local[:devices]), ("batch",))
        self._whole = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
        self._parts = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("batch"))

    def everywhere(self, tree: Any) -> Any:
        """Arrays, whole on each device."""
        return jax.tree.map(lambda leaf: jax.device_put(leaf, self._whole), tree)

    def shared(self, batch: Any, batch_size: int) -> Any:
        """Inside a compiled step: a batch, a part of it on each device."""
        if self.devices == 1 or batch_size % self.devices:  # a last short batch is computed on every device
            return batch
        return jax.lax.with_sharding_constraint(batch, jax.tree.map(lambda _: self._parts, batch))
