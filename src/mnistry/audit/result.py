"""The result of an audit: label issues, duplicates, image quality and class balance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mnistry.audit.class_balance import Balance
from mnistry.audit.duplicates import Group
from mnistry.audit.image_quality import ImageQuality
from mnistry.audit.label_errors import LabelIssues, estimate_errors
from mnistry.datasets.loading import Dataset

if TYPE_CHECKING:
    from mnistry.audit.cross_validation import Plan

SPLITS = ("train", "test")


@dataclass(frozen=True)
class Place:
    """The place of an image in a data set: "train" or "test", its number there, from 0, and the name of its class.

    The origin is the file, and the row in it; None for a published data set.
    """

    split: str
    index: int
    label: str
    origin: str | None = None

    @property
    def name(self) -> str:
        """The image's origin, or its split and number."""
        return self.origin or f"{self.split} {self.index}"

    def as_json(self) -> dict[str, Any]:
        """Give the object of `mnistry data --check --json`."""
        return {"split": self.split, "index": self.index, "label": self.label, "origin": self.origin}


@dataclass(frozen=True)
class LabelIssue:
    """An image whose label is probably wrong: its place, the class that the networks predict instead, and how sure.

    Their probabilities are those of the label and of that answer.
    """

    place: Place
    answer: str
    of_label: float
    of_answer: float

    def as_json(self) -> dict[str, Any]:
        """Give the object of `mnistry data --check --json`."""
        own = {"answer": self.answer, "probability_of_label": self.of_label, "probability_of_answer": self.of_answer}
        return {**self.place.as_json(), **own}


@dataclass(frozen=True, eq=False)
class Labels:
    """The check of the labels: the plan of the cross-validation, and what confident learning finds.

    The out-of-fold probabilities, float64 (n, classes), are of the training images and then of the test images.
    """

    plan: Plan
    probabilities: np.ndarray
    issues: LabelIssues


@dataclass(frozen=True, eq=False)
class DatasetAudit:
    """The audit of a data set. Images are numbered through both splits, the training images first.

    Attributes:
        command: the command line that repeats it.
        dataset: the data set.
        duplicates: groups of copies.
        image_quality: images unlike MNIST's.
        balance: the sizes of the classes.
        labels: the check of the labels; None if fewer than two classes have enough images.
        seconds: the time of each part.
        environment: versions and machine.
    """

    command: str
    dataset: Dataset
    duplicates: tuple[Group, ...]
    image_quality: ImageQuality
    balance: Balance
    labels: Labels | None
    seconds: dict[str, float]
    environment: dict[str, Any]

    @property
    def n(self) -> int:
        """The number of images."""
        return len(self.dataset.x_train) + len(self.dataset.x_test)

    def place(self, number: int) -> Place:
        """Locate an image by its number."""
        train = len(self.dataset.y_train)
        split, index = ("train", number) if number < train else ("test", number - train)
        label = (self.dataset.y_train if split == "train" else self.dataset.y_test)[index]
        return Place(split, int(index), self.dataset.class_names[label], self.dataset.origin(split, int(index)))

    def picture(self, place: Place) -> np.ndarray:
        """Give the pixels of an image, uint8 (28, 28)."""
        return (self.dataset.x_train if place.split == "train" else self.dataset.x_test)[place.index]

    def places(self, numbers: np.ndarray) -> list[Place]:
        """Locate images by their numbers."""
        return [self.place(int(number)) for number in numbers]

    def label_issues(self, split: str | None = None) -> list[LabelIssue]:
        """List images whose labels are probably wrong, the least probable first; those of one split, if it is given."""
        if self.labels is None:
            return []
        found, probabilities, names = self.labels.issues, self.labels.probabilities, self.dataset.class_names
        labels = np.concatenate([self.dataset.y_train, self.dataset.y_test])
        issues = []
        for number, answer in zip(found.indices, found.predicted, strict=True):
            of_label, of_answer = (float(probabilities[number, each]) for each in (labels[number], answer))
            issues.append(LabelIssue(self.place(int(number)), names[answer], of_label, of_answer))
        return [issue for issue in issues if split in (None, issue.place.split)]

    def too_small_classes(self) -> dict[str, int]:
        """Give the classes with too few images to judge their labels, with their numbers of images."""
        if self.labels is None:
            return {}
        counts, too_small = self.balance.counts.sum(axis=0), self.labels.issues.too_small
        return {self.dataset.class_names[number]: int(counts[number]) for number in np.flatnonzero(too_small)}

    @property
    def estimated_errors(self) -> float:
        """The number of wrong labels that confident learning estimates."""
        if self.labels is None:
            return 0.0
        return estimate_errors(self.labels.issues.joint, np.concatenate([self.dataset.y_train, self.dataset.y_test]))

    def leaks(self) -> list[Group]:
        """List the groups of duplicates with members in both splits, which make a test meaningless."""
        train = len(self.dataset.y_train)
        return [group for group in self.duplicates if group.members[0] < train <= group.members[-1]]

    def contradictions(self) -> list[Group]:
        """List the groups of duplicates whose members have different labels, at least one of which is wrong."""
        return [group for group in self.duplicates if len({each.label for each in self.places(group.members)}) > 1]

    def as_json(self) -> dict[str, Any]:
        """Give the object that `mnistry data --check --json` prints and `check.json` holds."""
        looks, classes = self.image_quality, self.dataset.class_names
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
            "image_quality": {
                kind: [place.as_json() for place in self.places(numbers)] for kind, numbers in vars(looks).items()
            },
            "balance": {
                "counts": dict(zip(SPLITS, self.balance.counts.tolist(), strict=True)),
                "underrepresented": {
                    split: [name for name, is_scarce in zip(classes, row, strict=True) if is_scarce]
                    for split, row in zip(SPLITS, self.balance.underrepresented, strict=True)
                },
                "split_shift": [
                    name for name, differs in zip(classes, self.balance.split_shift, strict=True) if differs
                ],
            },
            "seconds": self.seconds,
            "command": self.command,
            "environment": self.environment,
        }

    def _labels_as_json(self, labels: Labels) -> dict[str, Any]:
        plan, found = labels.plan, labels.issues
        finite = np.isfinite(found.thresholds)
        return {
            "networks": plan.networks,
            "folds": plan.folds,
            "epochs": plan.epochs,
            "seed": plan.seed,
            "too_small_classes": self.too_small_classes(),
            "thresholds": [float(line) if real else None for line, real in zip(found.thresholds, finite, strict=True)],
            "confident_joint": found.joint.tolist(),
            "estimated_errors": self.estimated_errors,
            "issues": [issue.as_json() for issue in self.label_issues()],
        }
