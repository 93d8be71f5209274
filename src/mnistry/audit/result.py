"""What a check of a data set gives: what is in it that spoils training or makes a test look better than it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mnistry.audit.class_balance import Balance
from mnistry.audit.duplicates import Group
from mnistry.audit.image_quality import Appearance
from mnistry.audit.label_errors import Suspicion, estimated_errors
from mnistry.datasets.loading import Dataset

if TYPE_CHECKING:
    from mnistry.audit.cross_validation import Plan

SPLITS = ("train", "test")


@dataclass(frozen=True)
class Place:
    """Where an image is.

    Attributes:
        split: "train" or "test".
        index: its number there, from 0.
        label: the name of its class.
        origin: the file, and the row there, that it was read from; None where its number says all.
    """

    split: str
    index: int
    label: str
    origin: str | None = None

    @property
    def name(self) -> str:
        """What to call it: where it comes from, or its number."""
        return self.origin or f"{self.split} {self.index}"

    def as_json(self) -> dict[str, Any]:
        """As `mnistry data --check --json` has it."""
        return {"split": self.split, "index": self.index, "label": self.label, "origin": self.origin}


@dataclass(frozen=True)
class Suspect:
    """An image whose label is probably wrong.

    Attributes:
        place: where it is, with its label.
        answer: the class that the networks see in it.
        of_label: the probability that they give its label.
        of_answer: the probability that they give the answer.
    """

    place: Place
    answer: str
    of_label: float
    of_answer: float

    def as_json(self) -> dict[str, Any]:
        """As `mnistry data --check --json` has it."""
        own = {"answer": self.answer, "probability_of_label": self.of_label, "probability_of_answer": self.of_answer}
        return {**self.place.as_json(), **own}


@dataclass(frozen=True, eq=False)
class Labels:
    """What networks that have not seen an image make of its label.

    Attributes:
        plan: how they were trained.
        probabilities: float64 (n, classes), theirs, of train and test images in one row.
        suspicion: what follows from them.
    """

    plan: Plan
    probabilities: np.ndarray
    suspicion: Suspicion


@dataclass(frozen=True, eq=False)
class DatasetAudit:
    """What came out of a check. Images are numbered through both splits, the training images first.

    Attributes:
        command: what to type to have it again.
        dataset: what was checked.
        duplicates: images that are there more than once.
        appearance: images that do not look as MNIST's do.
        balance: how many images each class has.
        labels: what is to be said of the labels; None where there are too few images or classes to tell.
        seconds: how long each part took.
        environment: versions and machine.
    """

    command: str
    dataset: Dataset
    duplicates: tuple[Group, ...]
    appearance: Appearance
    balance: Balance
    labels: Labels | None
    seconds: dict[str, float]
    environment: dict[str, Any]

    @property
    def n(self) -> int:
        """How many images there are."""
        return len(self.dataset.x_train) + len(self.dataset.x_test)

    def place(self, number: int) -> Place:
        """Where an image is."""
        train = len(self.dataset.y_train)
        split, index = ("train", number) if number < train else ("test", number - train)
        label = (self.dataset.y_train if split == "train" else self.dataset.y_test)[index]
        return Place(split, int(index), self.dataset.class_names[label], self.dataset.origin(split, int(index)))

    def picture(self, place: Place) -> np.ndarray:
        """The pixels of an image, uint8 (28, 28)."""
        pixels: np.ndarray = (self.dataset.x_train if place.split == "train" else self.dataset.x_test)[place.index]
        return pixels

    def places(self, numbers: np.ndarray) -> list[Place]:
        """Where images are."""
        return [self.place(int(number)) for number in numbers]

    def suspects(self, split: str | None = None) -> list[Suspect]:
        """The images whose labels are probably wrong, the most suspicious first; of one split, if one is named."""
        if self.labels is None:
            return []
        found, probabilities, names = self.labels.suspicion, self.labels.probabilities, self.dataset.class_names
        labels = np.concatenate([self.dataset.y_train, self.dataset.y_test])
        all_of_them = (
            Suspect(
                self.place(int(number)),
                names[answer],
                float(probabilities[number, labels[number]]),
                float(probabilities[number, answer]),
            )
            for number, answer in zip(found.suspects, found.counted_as, strict=True)
        )
        return [suspect for suspect in all_of_them if split in (None, suspect.place.split)]

    @property
    def estimated_errors(self) -> float:
        """How many labels may be wrong in all, as confident learning estimates it."""
        if self.labels is None:
            return 0.0
        return estimated_errors(
            self.labels.suspicion.joint, np.concatenate([self.dataset.y_train, self.dataset.y_test])
        )

    def leaks(self) -> list[Group]:
        """The groups of duplicates with members in both splits: a test of them is none."""
        train = len(self.dataset.y_train)
        return [group for group in self.duplicates if group.members[0] < train <= group.members[-1]]

    def contradictions(self) -> list[Group]:
        """The groups of duplicates whose members have different labels: one of them is wrong."""
        return [group for group in self.duplicates if len({each.label for each in self.places(group.members)}) > 1]

    def as_json(self) -> dict[str, Any]:
        """What `mnistry data --check --json` prints and `check.json` holds."""
        looks, classes = self.appearance, self.dataset.class_names
        return {
            "dataset": {"title": self.dataset.title, **self.dataset.facts()},
            "labels": None if self.labels is None else self._labels_as_json(self.labels),
            "duplicates": {
                "groups": len(self.duplicates),
                "across_splits": len(self.leaks()),
                "with_different_labels": len(self.contradictions()),
                "each": [
                    {"exact": group.exact, "images": [place.as_json() for place in self.places(group.members)]}
                    for group in self.duplicates
                ],
            },
            "appearance": {
                kind: [place.as_json() for place in self.places(numbers)]
                for kind, numbers in (
                    ("blank", looks.blank),
                    ("inverted", looks.inverted),
                    ("resized", looks.resized),
                    ("misplaced", looks.misplaced),
                )
            },
            "balance": {
                "counts": dict(zip(SPLITS, self.balance.counts.tolist(), strict=True)),
                "scarce": {
                    split: [name for name, is_scarce in zip(classes, row, strict=True) if is_scarce]
                    for split, row in zip(SPLITS, self.balance.scarce, strict=True)
                },
                "unequal": [name for name, differs in zip(classes, self.balance.unequal, strict=True) if differs],
            },
            "seconds": self.seconds,
            "command": self.command,
            "environment": self.environment,
        }

    def _labels_as_json(self, labels: Labels) -> dict[str, Any]:
        plan, found = labels.plan, labels.suspicion
        finite = np.isfinite(found.thresholds)
        return {
            "networks": plan.networks,
            "folds": plan.folds,
            "epochs": plan.epochs,
            "seed": plan.seed,
            "thresholds": [float(line) if real else None for line, real in zip(found.thresholds, finite, strict=True)],
            "confident_joint": found.joint.tolist(),
            "estimated_errors": self.estimated_errors,
            "suspects": [suspect.as_json() for suspect in self.suspects()],
        }
