"""Measure how well wrong labels are found: by more epochs, folds or rounds of the lesson's network, and by which score.

    MNISTRY_DATA_DIR=... python benchmarks/label_errors.py [FOLDER]

Two measures. *Published*: the 15 labels of MNIST's test split that most of five people did not confirm, out of the 100
that Northcutt, Athalye and Mueller 2021 ("Pervasive Label Errors in Test Sets", arXiv 2103.14749) had looked at; the
votes are in their repository, cleanlab/label-errors, file mturk/mnist_mturk.json. *Flipped*: 1% of all 70,000 labels,
chosen at random, made wrong at random. What is chosen for the software is chosen by the flipped labels alone.

Probabilities after each epoch are kept in FOLDER, if one is named, and taken from there the next time.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mnistry.audit import label_errors
from mnistry.audit.cross_validation import RECIPE, assign_folds
from mnistry.datasets import loading
from mnistry.models import backend
from mnistry.models.backend import keras
from mnistry.ocr.recognizer import Recognizer
from mnistry.reporting import plots
from mnistry.runtime import files, provenance
from mnistry.training import fitting, recipes

RESULTS = Path(__file__).parent / "results"
PUBLISHED = (947, 1621, 1901, 2130, 2462, 2597, 2654, 3520, 3558, 5937, 6651, 6783, 8527, 9679, 9729)
FLIPPED, FLIP_SEED = 0.01, 0
EPOCHS = 10
TOPS = (15, 30, 60, 100)
VARIANTS: Mapping[str, tuple[int, int, slice]] = {  # folds, rounds, which epochs' probabilities are averaged
    "5 folds, 2 epochs": (5, 1, slice(1, 2)),
    "5 folds, 5 epochs": (5, 1, slice(4, 5)),
    "5 folds, 10 epochs": (5, 1, slice(9, 10)),
    "5 folds, mean over 10 epochs": (5, 1, slice(0, 10)),
    "5 folds, 5 epochs, 3 rounds": (5, 3, slice(4, 5)),
    "5 folds, 10 epochs, 3 rounds": (5, 3, slice(9, 10)),
    "5 folds, mean over 10 epochs, 3 rounds": (5, 3, slice(0, 10)),
    "10 folds, 5 epochs": (10, 1, slice(4, 5)),
}
CHOSEN = "5 folds, 5 epochs, 3 rounds"  # what `mnistry data --check` does on MNIST
PICTURE = Path(__file__).parent.parent / "docs" / "label_suspects.png"
PICTURED = 30


def main(folder: str | None = None) -> None:
    """Measure all variants, write `results/label_errors.json` and draw `docs/label_suspects.png`."""
    mnist = loading.load("mnist")
    images = np.concatenate([mnist.x_train, mnist.x_test])
    labels = np.concatenate([mnist.y_train, mnist.y_test])
    spoilt, wrong = flipped(labels)
    asked: dict[tuple[str, int, int], np.ndarray] = {}

    def mean(kind: str, given: np.ndarray, folds: int, rounds: int, epochs: slice) -> np.ndarray:
        """The out-of-fold probabilities of a variant, float64 (n, classes)."""
        for repeat in range(rounds):
            if (kind, folds, repeat) not in asked:
                path = Path(folder) / f"{kind}-{folds}-{repeat}.npy" if folder else None
                asked[kind, folds, repeat] = kept(images, given, folds, repeat, path)
        parts = [asked[kind, folds, repeat][epochs].mean(axis=0, dtype=np.float64) for repeat in range(rounds)]
        return np.mean(parts, axis=0)

    rows = []
    for name, variant in VARIANTS.items():
        clean, noisy = mean("clean", labels, *variant), mean("flipped", spoilt, *variant)
        rows.append({"name": name, **measured(clean, noisy, labels, spoilt, wrong)})
        print(line(rows[-1]), flush=True)
        if name == CHOSEN:
            picture(mnist, clean[len(mnist.x_train) :])
    own = Recognizer.load().predict(mnist.x_test)
    shipped = {score: published(order) for score, order in orders(own, mnist.y_test).items()}
    content = {
        "published": list(PUBLISHED),
        "flipped": len(wrong),
        "variants": rows,
        "shipped_model": shipped,
        "environment": provenance.describe_environment(),
    }
    files.write_json(RESULTS / "label_errors.json", content)
    print(table(content))


def picture(mnist: loading.Dataset, probabilities: np.ndarray) -> None:
    """Draw the test images whose labels are the least probable, and print which they are."""
    shown = label_errors.compute_self_confidence(probabilities, mnist.y_test).argsort(kind="stable")[:PICTURED]
    answers = probabilities[shown].argmax(axis=1)
    labels = mnist.labels(mnist.y_test[shown])
    drawn = plots.draw_mistakes(mnist.x_test[shown], labels, mnist.labels(answers), probabilities[shown].max(axis=1))
    drawn.save(PICTURE)
    print("pictured:", *shown, file=sys.stderr)


def flipped(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Labels of which 1% are wrong, and the indices of those."""
    random = np.random.default_rng([FLIP_SEED, 2])
    wrong = random.choice(len(labels), round(FLIPPED * len(labels)), replace=False)
    spoilt = labels.copy()
    spoilt[wrong] = (labels[wrong] + random.integers(1, 10, len(wrong))) % 10
    return spoilt, wrong


def kept(images: np.ndarray, labels: np.ndarray, folds: int, repeat: int, path: Path | None) -> np.ndarray:
    """As `asked_after_each_epoch`; out of a file, if there is one already."""
    if path is not None and path.exists():
        found: np.ndarray = np.load(path)
        return found
    probabilities = asked_after_each_epoch(images, labels, folds, repeat)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, probabilities)
    return probabilities


def asked_after_each_epoch(images: np.ndarray, labels: np.ndarray, folds: int, repeat: int) -> np.ndarray:
    """Predict out of fold, as `cross_validation.predict_out_of_fold` with seed 0, by epoch: float32 (epochs, n, 10)."""
    probabilities = np.zeros((EPOCHS, len(labels), 10), np.float32)
    fold_of, own = assign_folds(labels, folds, 0, repeat), recipes.find_recipe(RECIPE)
    for fold in range(folds):
        number, held_out = repeat * folds + fold, fold_of == fold
        model = own.compiled(own.build(seed=number, classes=10), learning_rate=own.learning_rate)

        def ask(epoch: int, _: Any, model: keras.Model = model, held_out: np.ndarray = held_out) -> None:
            probabilities[epoch, held_out] = backend.predict(model, images[held_out])

        fitting.fit(
            model,
            images[~held_out],
            labels[~held_out],
            epochs=EPOCHS,
            batch_size=own.batch_size,
            seed=number,
            verbose=0,
            callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=ask)],
        )
        print(f"{folds} folds, round {repeat}, fold {fold}", file=sys.stderr, flush=True)
    return probabilities


def orders(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
    """All images, the most suspicious first, by each score."""
    by_confidence = label_errors.compute_self_confidence(probabilities, labels).argsort(kind="stable")
    by_margin = margins(probabilities, labels).argsort(kind="stable")
    ranks = by_confidence.argsort() + by_margin.argsort()
    return {"self-confidence": by_confidence, "margin": by_margin, "sum of both ranks": ranks.argsort(kind="stable")}


def measured(
    clean: np.ndarray, noisy: np.ndarray, labels: np.ndarray, spoilt: np.ndarray, wrong: np.ndarray
) -> dict[str, Any]:
    """Both measures of one variant: by each score, and of what confident learning suspects."""
    test = slice(60_000, None)
    suspects = label_errors.find_label_issues(noisy, spoilt).indices
    right = np.isin(suspects, wrong).sum()
    return {
        "test_suspects": int((label_errors.find_label_issues(clean, labels).indices >= 60_000).sum()),
        "published": {score: published(order) for score, order in orders(clean[test], labels[test]).items()},
        "flipped": {
            score: {
                "average_precision": average_precision(order, wrong),
                "found_in_as_many": float(np.isin(order[: len(wrong)], wrong).mean()),
            }
            for score, order in orders(noisy, spoilt).items()
        },
        "suspects": {"n": len(suspects), "precision": right / len(suspects), "recall": right / len(wrong)},
    }


def published(order: np.ndarray) -> dict[str, Any]:
    """The ranks of the published errors in an order of the test images, from 1."""
    ranks = sorted(int(np.flatnonzero(order == index)[0]) + 1 for index in PUBLISHED)
    return {"ranks": ranks, "in_top": {str(top): sum(rank <= top for rank in ranks) for top in TOPS}}


def average_precision(order: np.ndarray, wrong: np.ndarray) -> float:
    """The mean, over the wrong labels, of the precision where each is found."""
    hits = np.isin(order, wrong)
    return float((hits.cumsum() / np.arange(1, len(hits) + 1))[hits].mean())


def line(row: Mapping[str, Any]) -> str:
    """A row of the table."""
    of, top = row["flipped"], row["published"]["self-confidence"]["in_top"]
    found = row["suspects"]
    cells = [f"{of[score]['average_precision']:.3f}" for score in ("self-confidence", "margin", "sum of both ranks")]
    cells += [f"{of['self-confidence']['found_in_as_many']:.1%}", f"{found['n']:,}", f"{found['precision']:.1%}"]
    cells += [f"{found['recall']:.1%}", *(str(top[str(n)]) for n in (15, 30, 100))]
    return " | ".join([f"| {row['name']}", *cells]) + " |"


def margins(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The normalised margin, float64 (n,), -1 to 1: the label's probability less the largest other one."""
    images = np.arange(len(labels))
    others = np.array(probabilities, np.float64)
    own = others[images, labels]
    others[images, labels] = -np.inf
    return np.asarray(own - others.max(axis=1))


def table(content: Mapping[str, Any]) -> str:
    """The results as a Markdown table."""
    heads = [
        "networks",
        "AP, self-confidence",
        "AP, margin",
        "AP, both",
        "found in the first 700",
        "suspects",
        "of them flipped",
        "of the flipped",
        "published in top 15",
        "top 30",
        "top 100",
    ]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|", *map(line, content["variants"])]
    top = content["shipped_model"]["self-confidence"]["in_top"]
    return "\n".join(
        [*lines, f"| the model that ships, test split only{' | ' * 7} | {top['15']} | {top['30']} | {top['100']} |"]
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
