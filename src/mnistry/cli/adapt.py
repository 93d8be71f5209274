"""`mnistry adapt`: adapt a model to somebody's hand."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from mnistry.cli import terminal
from mnistry.cli.options import DataDirOption, JsonOption, ModelOption
from mnistry.errors import UsageError
from mnistry.reporting.text import format_count

SHOWN = 10  # samples that are still misread


def adapt(
    samples: Annotated[
        Path,
        typer.Argument(
            metavar="SAMPLES",
            help="Digits with their right labels: a folder with a folder of pictures for each digit, such as the one "
            "that mnistry serve keeps, or any other data set of your own.",
            show_default=False,
        ),
    ],
    *,
    out: Annotated[Path, typer.Option(metavar="FILE", help="The model file; it must not exist yet.")] = Path(
        "adapted.onnx"
    ),
    model: ModelOption = None,
    data_dir: DataDirOption = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file if it exists.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Adapt a model to your hand by digits that it misread, in some seconds.

    About thirty digits are enough. A quarter of them is held back first, to show the mistakes before and after; the
    model that is written learns all of them. It forgets nothing else: other digits are read as before.
    """
    # Read when NumPy is loaded. OpenBLAS's threads wait for each other: on busy cores that takes three times as long.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from mnistry.errors import RunError
    from mnistry.models.classifier import Classifier
    from mnistry.runtime import files
    from mnistry.training import adaptation

    if (out.exists() or out.is_symlink()) and not overwrite:
        raise UsageError(f"{out} exists already. Name another file with --out, or replace it with --overwrite.")
    names = Classifier.load(model, threads=1).info.class_names
    loaded = adaptation.load_samples(samples, names)
    done = adaptation.adapt(loaded.images, loaded.labels, model=model, data_dir=data_dir)
    misread = [
        {"sample": loaded.origins[index], "label": names[loaded.labels[index]], "read": names[answer]}
        for index, answer in done.misread.items()
    ]
    try:
        files.write_durably(out, [done.content])
    except OSError as error:
        raise RunError(f"{out} cannot be written: {error.strerror}.") from None
    if as_json:
        print(json.dumps({**done.as_json(), "misread": misread, "file": str(out)}))
        return
    print(f"Adapted to {done.samples} digits in {done.seconds:.1f} s.")
    if done.held:
        print(f"Mistakes on {done.held} digits held back: {done.before} before, {done.after} after.")
    else:
        print("No digits were held back to count mistakes on: that takes four of a digit.")
    if misread:
        print(f"Still misread: {format_count(len(misread), 'sample')}. Are the labels right?")
    for each in misread[:SHOWN]:
        print(f"  {each['sample']}: labelled {each['label']}, read {each['read']}")
    check = done.check
    print(f"Mistakes on the {check['n']} built-in digits: {check['before']} before, {check['after']} after.")
    print(out)
    terminal.suggest(f"mnistry serve --model {terminal.quote(out)}", "uses it")
