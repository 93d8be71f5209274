"""The report of an audit: one HTML page with pictures of the findings, and the numbers as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mnistry.audit import result as audit_result
from mnistry.audit import text as audit_text
from mnistry.audit.duplicates import SHIFT, SIMILARITY, Group
from mnistry.audit.image_quality import BOX, LEAST_CONTRAST, OFF_CENTER
from mnistry.audit.label_errors import FEWEST
from mnistry.audit.result import DatasetAudit
from mnistry.reporting import html, images
from mnistry.runtime import files

NUMBERS = "check.json"
ISSUES_SHOWN = 40  # of each split
GROUPS_SHOWN, MEMBERS_SHOWN = 12, 8
ODD_SHOWN = 20  # of each kind


@dataclass(frozen=True)
class Bar:
    """The number of images of a class in a split.

    Attributes:
        split: "train" or "test".
        n: images.
        share: of the split.
        length: of the bar, in percent of the longest.
        underrepresented: whether that is less than half of an even share.
    """

    split: str
    n: int
    share: float
    length: float
    underrepresented: bool


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
        picture=lambda place: images.make_data_url(result.picture(place)),
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


def draw_bars(result: DatasetAudit) -> list[tuple[str, list[Bar]]]:
    """Give for each class its name and its bars, one for each split."""
    counts, underrepresented = result.balance.counts, result.balance.underrepresented
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    longest = max(float(shares.max()), 1e-9)
    return [
        (
            name,
            [
                Bar(split, int(n), float(share), 100 * float(share) / longest, bool(few))
                for split, n, share, few in zip(
                    audit_result.SPLITS, counts[:, number], shares[:, number], underrepresented[:, number], strict=True
                )
            ],
        )
        for number, name in enumerate(result.dataset.class_names)
    ]
