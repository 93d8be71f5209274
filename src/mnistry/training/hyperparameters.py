"""The numbers of a recipe that can be chosen, and where a search looks for them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from mnistry.errors import UsageError, did_you_mean

Part = Literal["network", "optimizer", "augmentation"]


@dataclass(frozen=True)
class SearchRange:
    """The range in which a search looks for a number.

    Attributes:
        low: the least.
        high: the most.
        even: "steps" if all numbers in between are as likely, "factors" if doubling counts the same everywhere.
        multiple: the number is a whole multiple of this; None means any number.
    """

    low: float
    high: float
    even: Literal["steps", "factors"] = "steps"
    multiple: int | None = None

    def at(self, place: float) -> float:
        """The number at a place from 0, the low end, to 1; three digits of it, or a whole multiple.

        >>> SearchRange(0.001, 0.1, "factors").at(0.5), SearchRange(16, 64, "steps", 16).at(0.5)
        (0.01, 48)
        """
        if self.even == "factors":
            value = self.low * (self.high / self.low) ** place
        else:
            value = self.low + (self.high - self.low) * place
        if self.multiple is None:
            return float(f"{value:.3g}")
        return self.multiple * math.floor(value / self.multiple + 0.5)


@dataclass(frozen=True)
class Hyperparameter:
    """A number of a recipe that can be chosen: `mnistry train --set NAME=X`.

    Attributes:
        meaning: a sentence on it.
        part: what of the recipe it changes: that takes it as an argument of the setting's name.
        default: its value if none is given.
        least: the least that makes sense.
        most: the most that makes sense.
        searched: where a search looks; a multiple there makes it a whole number.
    """

    meaning: str
    part: Part
    default: float
    least: float
    most: float
    searched: SearchRange

    @property
    def whole(self) -> bool:
        """True if it is a whole number."""
        return self.searched.multiple is not None


def check_settings(chosen: Mapping[str, float], known: Mapping[str, Hyperparameter], recipe: str) -> dict[str, float]:
    """Check hyperparameters against those of the recipe, and give them; whole ones as `int`.

    Raises:
        UsageError: it has not, or one does not.
    """
    for name, value in chosen.items():
        if name not in known:
            raise UsageError(f"The recipe {recipe} has no setting named {name!r}. {did_you_mean(name, known)}")
        one = known[name]
        if not one.least <= value <= one.most or (one.whole and value != int(value)):
            kind = "a whole number" if one.whole else "a number"
            raise UsageError(f"{name} must be {kind} from {one.least:g} to {one.most:g}; received {value:g}.")
    return {name: int(value) if known[name].whole else float(value) for name, value in chosen.items()}
