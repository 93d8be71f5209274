"""The report of an audit: one HTML page with pictures of the findings, and the numbers as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mnistry.audit import result as audit_result
from mnistry.audit import text as audit_text
from mnistry.audit.duplicates import SHIFT, SIMILARITY, Group
from mnistry.audit.image_quality import BOX, LEAST_CONTRAST, OFF_CENTER
from mnistry.audit.label_errors import FEWEST
from mnistry.audit.result import DatasetAudit
from mnistry.reporting import drawing, html
from mnistry.runtime import files

NUMBERS = "check.json"
ISSUES_SHOWN = 40  # of each split
GROUPS_SHOWN, MEMBERS_SHOWN = 12, 8
ODD_SHOWN = 20  # of each kind


def write(result: DatasetAudit, folder: Path) -> None:
    """Write `report.html` and `check.json` into a folder, which must exist."""
    html.write(render_page(result), folder)
    files.write_json(folder / NUMBERS, result.as_json())


def render_page(result: DatasetAudit) -> str:
    """Render the report as HTML, with all pictures in it."""
    looks = result.image_quality
    kinds = (
        ("with nothing to see", f"Their greys differ by less than {LEAST_CONTRAST}.", looks.blank),
        ("with dark ink on a bright ground", "Their border is bright, where that of MNIST is black.", looks.inverted),
        ("of another size", f"The ink's longest side is not {BOX[0]} to {BOX[1]} pixels.", looks.wrong_size),
        ("off the middle", f"The ink's centre of mass is more than {OFF_CENTER:g} pixels away.", looks.off_center),
    )
    return html.render(
        "audit.html",
        result=result,
        dataset=result.dataset,
        picture=lambda place: drawing.make_data_url(result.picture(place)),
        issues={split: result.label_issues(split) for split in audit_result.SPLITS},
        issues_shown=ISSUES_SHOWN,
        small=result.too_small_classes(),
        fewest=FEWEST,
        groups=[(group, result.places(group.members)) for group in select_groups(result)],
        members_shown=MEMBERS_SHOWN,
        odd=[(title, why, numbers, result.places(numbers[:ODD_SHOWN])) for title, why, numbers in kinds],
        findings=audit_text.format_findings(result),
        bars=draw_bars(result),
        similarity=SIMILARITY,
        shift=SHIFT,
    )


def select_groups(result: DatasetAudit) -> Sequence[Group]:
    """Pick the duplicates to show: different labels first, then those across the splits, then the others."""
    contradicting, leaking = ({id(group) for group in part} for part in (result.contradictions(), result.leaks()))
    ranked = sorted(result.duplicates, key=lambda group: (id(group) not in contradicting, id(group) not in leaking))
    return ranked[:GROUPS_SHOWN]


def draw_bars(result: DatasetAudit) -> list[tuple[str, list[dict[str, Any]]]]:
    """Give for each class its name and a bar for each split, its `length` in percent of the longest."""
    counts, underrepresented = result.balance.counts, result.balance.underrepresented
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    lengths = 100 * shares / max(float(shares.max()), 1e-9)
    names = ("split", "n", "share", "length", "underrepresented")
    return [
        (name, [dict(zip(names, bar, strict=True)) for bar in zip(audit_result.SPLITS, *columns, strict=True)])
        for name, *columns in zip(
            result.dataset.class_names, counts.T, shares.T, lengths.T, underrepresented.T, strict=True
        )
    ]
