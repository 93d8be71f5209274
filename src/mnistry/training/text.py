"""Text of a training for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def format_epoch(record: Mapping[str, Any], epochs: int) -> str:
    """Loss, accuracy and seconds of an epoch, and the validation figures if there are any.

    >>> format_epoch({"epoch": 3, "loss": 0.1, "accuracy": 0.97, "seconds": 0.5}, 12)
    'epoch  3/12   loss 0.1000   accuracy  97.00%    0.50 s'
    """
    parts = [f"epoch {record['epoch']:>{len(str(epochs))}}/{epochs}", f"loss {record['loss']:6.4f}"]
    parts.append(f"accuracy {record['accuracy']:7.2%}")
    if "val_loss" in record:
        parts.append(f"val {record['val_loss']:6.4f}, {record['val_accuracy']:7.2%}")
    return "   ".join([*parts, f"{record['seconds']:5.2f} s"])
