"""Pages that need nothing beside them: their figures are within."""

from __future__ import annotations

import base64
import importlib.resources
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mnistry.reporting import plots
from mnistry.reporting import text as reporting_text
from mnistry.runtime import run_folder

if TYPE_CHECKING:
    from matplotlib.figure import Figure


FIGURES = "figures"


def save_figures(drawn: Mapping[str, Figure], folder: Path) -> dict[str, str]:
    """Writes figures as `figures/*.png` and gives a data URL for each."""
    (folder / FIGURES).mkdir()
    pictures = {}
    for name, figure in drawn.items():
        path = folder / FIGURES / f"{name}.png"
        plots.save(figure, path)
        pictures[name] = "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode("ascii")
    return pictures


def write(html: str, folder: Path) -> None:
    """Writes `report.html`."""
    (folder / run_folder.REPORT).write_text(html, encoding="utf-8", errors="replace")


def rendered(template: str, **facts: Any) -> str:
    """A page out of a template, with the filters and the date that all of them use."""
    import jinja2

    folder = importlib.resources.files("mnistry").joinpath("reporting/templates")
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: folder.joinpath(name).read_text(encoding="utf-8")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"share": _share, "count_of": "{:,}".format, "counted": reporting_text.counted}
    return environment.get_template(template).render(written=_date(datetime.now(UTC)), **facts)


def _date(moment: datetime) -> str:
    return f"{moment.day} {moment:%B %Y}"


def _share(value: float, decimals: int = 2) -> str:
    return "none" if math.isnan(value) else f"{value:.{decimals}%}"
