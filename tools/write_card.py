"""Ship the model of a finished run, and write its card from the measurements.

    python tools/write_card.py RUN     # copies RUN/model.onnx into the package first
    python tools/write_card.py         # writes the card again, after benchmarks/model.py and handwriting.py have run

The figures come from `benchmarks/results/`; the pictures of the mistakes need MNIST in MNISTRY_DATA_DIR.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mnistry import Recognizer
from mnistry.models import onnx_file
from mnistry.training.calibration import LEAST_SURE

ROOT = Path(__file__).parent.parent
WEIGHTS = ROOT / "src" / "mnistry" / "models" / "weights"
MODEL, CARD, MISTAKES = WEIGHTS / "mnistry.onnx", WEIGHTS / "MODEL_CARD.md", ROOT / "docs" / "mistakes.png"
RESULTS = ROOT / "benchmarks" / "results"
SHOWN = 20


def main(run: Path | None = None) -> None:
    """Copy the model, draw its mistakes, and write the card."""
    if run is not None:
        Recognizer.load(run / onnx_file.EXPORTED)  # it must be one
        shutil.copyfile(run / onnx_file.EXPORTED, MODEL)
        print(f"shipped {MODEL.stat().st_size:,} bytes; now run benchmarks/model.py and benchmarks/handwriting.py")
        return
    draw_mistakes()
    CARD.write_text(card(), encoding="utf-8")


def card() -> str:
    """The card, out of the model's own facts and the results of the benchmarks."""
    info = Recognizer.load().info
    details: Mapping[str, Any] = info.details
    config, calibrated, machine = details["config"], details["calibration"], details["environment"]
    measured, written = _result("model"), _result("handwriting")
    evaluation, others = measured["evaluation"], measured["nondigit"]
    test, sure = evaluation["test"], evaluation["sure"]
    seeds = _result("strong_seeds")["seeds"]
    low, high = test["interval"]
    corrupted = "\n".join(
        f"| {name.replace('_', ' ')} | {each['accuracy']:.1%} | {each['sure']['coverage']:.1%} | {_share(each['sure'])} |"
        for name, each in evaluation["corruptions"]["each"].items()
    )
    groups = "\n".join(
        f"| {name} | {each['pictures']} | {each['auroc']:.3f} | {each['rejected']:.1%} |"
        for name, each in others["groups"].items()
    )
    confused = _most_confused(test["confusion"])
    return f"""# The model that comes with mnistry

This card is written by `tools/write_card.py` out of the model's own facts and the raw results in `benchmarks/results/`.

## What it is

A compact convolutional network of the recipe `strong` that reads one handwritten digit in an image of 28×28 grey values,
bright ink on black, in MNIST's form. `Recognizer.read` and `mnistry read` bring any picture into that form first. It
gives ten calibrated probabilities and a *digit score*: how much the image looks like a digit at all.

| | |
|---|---|
| file | `mnistry.onnx`, {MODEL.stat().st_size:,} bytes, ONNX opset {onnx_file.OPSET}, for ONNX Runtime |
| input | `images`, uint8 (n, 28, 28), 0–255 |
| outputs | `probabilities`, float32 (n, 10), each row adding up to 1; `digitness`, float32 (n,), 0 to 1 |
| an answer is sure | where its probability times its digit score is at least {info.sure_threshold:.4f} |
| an image is a digit | where its digit score is at least {info.digit_threshold:.4f} |
| version, licence | {info.version}, {info.licence} |
| SHA-256 of its weights | `{details["weights_sha256"]}` |

## How it was trained

- **Data**: MNIST's {details["dataset"]["train_shape"][0]:,} training images (CC BY-SA 3.0), of which {calibrated["images"]:,} were held out to
  watch the training and to calibrate on; and what the program draws itself: digits in the hands of the world, letters,
  doodles, scribbles, cut and glued digits (`training/augmentation/`). Nothing else, and no test image.
- **Commands**, one after the other, the first three on one H100 (`docs/log.md` has the figures):
  - three teachers, 70 epochs each: `mnistry train --recipe teacher --dataset mnist --epochs 70 --batch-size 1024 --learning-rate 0.2`
    with `--set width=192 --set depth=4`, `--set width=128 --set depth=3 --set kernel=5`, `--set width=160 --set depth=5`;
  - the same once more from their own weights, with the drawn hands of now: `--epochs 60 --learning-rate 0.1 --initial ...`;
  - their student: `mnistry train --recipe strong --dataset mnist --epochs 220 --batch-size 512 --learning-rate 0.15 --set width=108
    --set depth=1 --teachers ...` (`runs/student`);
  - calibrated and exported: `{details["command"]}`
- `python tools/distil.py OUT` trains such teachers, in one go, and such a student.
- **Seed** {config["seed"]}; calibrated on {machine["cores"]} cores of {machine["processor"]}, \
Keras {machine["keras"]}, JAX {machine["jax"]}, NumPy {machine["numpy"]}.
- **Second look**: where the best probability is under {info.second_look:g}, `Recognizer` asks the network four times more, with the image moved one
  pixel each way, and averages the logits. All figures here are with it; whoever runs the file alone leaves it out.
- **Calibration**, on the images held out, {calibrated["others"]:,} degraded and drawn ones besides: temperature {calibrated["temperature"]:.3f}; log loss {calibrated["loss_before"]:.4f} before and
  {calibrated["loss_after"]:.4f} after, ECE {calibrated["ece_before"]:.2%} before and {calibrated["ece_after"]:.2%} after. Each set counts by a stated share (`training/calibration.py`).
  The line for *sure* is the lowest from which on at least {calibrated["sure_precision"]:.1%} are right (lower end of the 95% Wilson interval), and at least
  {LEAST_SURE}; the line for *a digit* keeps
  {calibrated["digits_kept"]:.1%} of the digits held out, {calibrated["drawn_kept"]:.1%} of those drawn, and {calibrated["least_kept"]:.1%} of the class of either that it keeps least.

## How right it is

The 10,000 test images only count: every run counts its errors on them, and no choice was made by them. Command: `{measured["command"]}`.

| what | figure |
|---|---|
| errors | {test["errors"]} of {test["n"]:,} |
| accuracy, 95% interval | {test["accuracy"]:.2%} ({low:.2%} to {high:.2%}) |
| log loss; expected calibration error | {test["loss"]:.4f}; {test["ece"]:.2%} |
| said to be sure; right among those | {sure["coverage"]:.1%}; {_share(sure)} |
| the recipe with {seeds[0]["epochs"]} epochs, errors with seeds {seeds[0]["seed"]} to {seeds[-1]["seed"]} | {", ".join(str(row["errors"]) for row in seeds)} |
| mean accuracy over the fifteen corruptions below | {evaluation["corruptions"]["mean_accuracy"]:.1%} |

Each corruption on all test images, by our own implementation of the kinds of MNIST-C (Mu and Gilmer 2019); the strengths are
our own, so these figures do not compare with those on the published files:

| corruption | right | said to be sure | right among those |
|---|---|---|---|
{corrupted}

On real pictures that people took of their own writing, and on pictures of no digit, brought into form by `mnistry read`
(averaged over sources; command: `{written["command"]}`):

| what | figure |
|---|---|
| one digit in a picture ({written["single"]["pictures"]}), right | {written["single"]["right"]:.1%} |
| one digit cut from a photo ({written["photo_crops"]["pictures"]}), right | {written["photo_crops"]["right"]:.1%} |
| several digits ({written["several"]["pictures"]}), read exactly, blanks apart | {written["several"]["exact"]:.1%} |
| one digit: said to be sure; right among those | {written["single"]["sure"]:.1%}; {written["single"]["right_of_sure"]:.1%} |
| no digit ({written["nondigit"]["pictures"]}), said with confidence to be one | {written["nondigit"]["sure_single"]:.1%} |

The digit score of pictures of no digit against that of MNIST's test digits: AUROC {others["auroc"]:.3f};
{others["rejected_where_98_of_100_digits_are_kept"]:.1%} are refused by the line that keeps 98% of the digits. By kind:

| kind | pictures | AUROC | refused where 98% of digits are kept |
|---|---|---|---|
{groups}

## What it gets wrong

Most often: {confused}. The most confident mistakes on the test images, each with its label and the answer (the picture
is `docs/mistakes.png` in the repository). Several of them a person would not read as their label says either.

![The test images that the model misreads most confidently](../../../../docs/mistakes.png)

Letters that are a digit's double (O, I, l, S, Z, B) are read as that digit, often with confidence. Writing that is upside
down, more than about 40° aslant, or covered for the most part is not for it.

## What it must not be used for

Not where a wrong digit harms somebody and nobody checks: amounts of money, doses, identities, votes, exams. It knows ten
digits and no letters, signs, decimal points or minus signs. Its training digits were written by US American census workers
and students around 1990; digits of other schools (a 1 with a long flag, a crossed 7) were only drawn by a program. A 1
whose flag is 25° or less below the horizontal, without a foot, is mostly read as a 7, up to about 15° surely.
"""


def draw_mistakes() -> None:
    """Draw the most confident mistakes on MNIST's test images."""
    from mnistry.datasets import loading
    from mnistry.evaluation.metrics import evaluate
    from mnistry.reporting import plots

    mnist = loading.load("mnist")
    test = evaluate(Recognizer.load().predict(mnist.x_test), mnist.y_test)
    shown = test.mistakes[:SHOWN]
    labels, answers = mnist.labels(mnist.y_test[shown]), mnist.labels(test.answers[shown])
    plots.draw_mistakes(mnist.x_test[shown], labels, answers, test.confidences[shown]).save(MISTAKES)


def _share(chosen: Mapping[str, Any]) -> str:
    return "none" if chosen["n"] == 0 else f"{chosen['accuracy']:.2%}"


def _most_confused(confusion: list[list[int]], most: int = 4) -> str:
    pairs = [
        (count, label, answer)
        for label, row in enumerate(confusion)
        for answer, count in enumerate(row)
        if label != answer
    ]
    worst = [each for each in sorted(pairs, reverse=True)[:most] if each[0] > 1]
    return ", ".join(f"a {label} read as {answer} ({count} times)" for count, label, answer in worst)


def _result(name: str) -> Any:
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:]))
