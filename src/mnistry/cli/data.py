"""`mnistry data`: show what a data set holds, or check it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from mnistry.cli import terminal
from mnistry.cli.keras_loading import import_keras
from mnistry.cli.options import DataDirOption, IndexOption, JsonOption, with_config
from mnistry.errors import UsageError
from mnistry.runtime import provenance


@with_config("dataset", "kind")
def data(
    *,
    data_dir: DataDirOption = None,
    index: IndexOption = None,
    check: Annotated[
        bool, typer.Option("--check", help="Look for wrong labels, duplicates and other things that spoil training.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="The folder for the check's page. [default: runs/check-N, the next free N]"),
    ] = None,
    as_json: JsonOption = False,
    **settings: Any,
) -> None:
    """Show what a data set holds: shapes, counts, mean and deviation, its source, and a sample.

    With --check, look for what spoils training instead: labels that are probably wrong, duplicates within and across
    the splits, blank and inverted images, ink of another size or place than MNIST's, uneven classes. Shows a table,
    and writes a page with the pictures.
    """
    if check:
        _check(settings, data_dir, index, out, as_json=as_json)
        return
    if out is not None:
        raise UsageError("--out is for the page of a check: add --check.")
    from mnistry.cli import progress
    from mnistry.datasets import loading as datasets
    from mnistry.datasets import text as datasets_text

    with progress.LiveBars() as bars:
        loaded = datasets.load(
            data_dir=data_dir, progress=bars.download, name=settings["dataset"], kind=settings["kind"]
        )
    progress.warn_about(loaded)
    index = loaded.check_index(index)
    print(json.dumps(loaded.as_json(), ensure_ascii=False) if as_json else datasets_text.format_dataset(loaded, index))
    terminal.suggest(f"mnistry data --check{_chosen(settings['dataset'])}", "looks for wrong labels")


def _check(
    settings: dict[str, Any], data_dir: Path | None, index: int | None, out: Path | None, *, as_json: bool
) -> None:
    provenance.start_clock()
    if index is not None:
        raise UsageError("--index shows one image, --check looks at all of them: leave one of both out.")
    import_keras()
    from mnistry.audit import run as audit_run
    from mnistry.audit import text as audit_text
    from mnistry.cli import progress

    with progress.LiveBars() as bars:
        folder, result = audit_run.audit_dataset(
            **settings, data_dir=data_dir, out=out, callbacks=progress.for_an_evaluation(bars)
        )
    print(json.dumps(result.as_json(), ensure_ascii=False) if as_json else audit_text.format_audit(result))
    print(f"report  {folder / 'report.html'}", file=sys.stderr if as_json else sys.stdout)
    terminal.suggest(f"mnistry train{_chosen(settings['dataset'])}", "trains on it")


def _chosen(dataset: str | None) -> str:
    return "" if dataset is None else f" --dataset {terminal.quote(dataset)}"
