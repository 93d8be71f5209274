"""Config, recipes, the compiled loop, fit, checkpoints and runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mnistry import _lazy

if TYPE_CHECKING:
    from mnistry.training.config import TrainConfig
    from mnistry.training.export import export_run
    from mnistry.training.fitting import fit
    from mnistry.training.recipes import RECIPES
    from mnistry.training.run import train_run
    from mnistry.training.trainer import Trained, train

__all__ = ["RECIPES", "TrainConfig", "Trained", "export_run", "fit", "train", "train_run"]

__getattr__, __dir__ = _lazy.attach(
    __name__,
    {
        "training.config": "TrainConfig",
        "training.export": "export_run",
        "training.fitting": "fit",
        "training.recipes": "RECIPES",
        "training.run": "train_run",
        "training.trainer": "Trained train",
    },
)
