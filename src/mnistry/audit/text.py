"""An audit as text for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mnistry.audit.duplicates import Group
from mnistry.audit.image_quality import KINDS
from mnistry.audit.label_errors import FEWEST
from mnistry.audit.result import SPLITS, DatasetAudit, LabelIssue
from mnistry.reporting.text import format_count, format_entry, format_table

ISSUES_PRINTED = 10  # of each split
GROUPS_PRINTED = 5
MEMBERS_PRINTED = 4
PLACES_PRINTED = 5
CLASSES_PRINTED = 10


def format_audit(result: DatasetAudit) -> str:
    """The whole audit: a line for each check, then the findings."""
    parts = [_format_heading(result), "\n".join(format_entry(name, text, 14) for name, text in format_findings(result))]
    parts += [format_label_issues(result.label_issues(split), split) for split in SPLITS]
    parts += [format_groups(result, result.duplicates), format_outliers(result)]
    return "\n\n".join(part for part in parts if part)


def _format_heading(result: DatasetAudit) -> str:
    dataset = result.dataset
    sizes = f"{len(dataset.x_train):,} training and {len(dataset.x_test):,} test images"
    return f"{dataset.title}: {sizes} ({dataset.source})"


def format_findings(result: DatasetAudit) -> list[tuple[str, str]]:
    """A name and a sentence for each check."""
    looks = result.image_quality
    return [
        ("labels", _format_labels(result)),
        ("duplicates", _format_duplicates(result)),
        *((name, _images(getattr(looks, attribute), what)) for attribute, name, what in KINDS),
        ("classes", _format_classes(result)),
    ]


def _format_labels(result: DatasetAudit) -> str:
    if result.labels is None:
        return f"not checked: that needs {FEWEST} images or more of each of two classes"
    found = {split: len(result.label_issues(split)) for split in SPLITS}
    where = " and ".join(f"{n:,} in {split}" for split, n in found.items())
    text = f"{sum(found.values()):,} of {result.n:,} are probably wrong ({where})"
    if small := result.too_small_classes():
        shown = [f"{name} ({format_count(n, 'image')})" for name, n in list(small.items())[:CLASSES_PRINTED]]
        more = f" and {len(small) - len(shown):,} more" if len(small) > len(shown) else ""
        text += f"; not judged, as they have fewer than {FEWEST} images: {', '.join(shown)}{more}"
    return text


def _format_duplicates(result: DatasetAudit) -> str:
    if not result.duplicates:
        return "none, neither exact nor near"
    exact = sum(group.exact for group in result.duplicates)
    copies = sum(len(group.members) - 1 for group in result.duplicates)
    text = (
        f"{format_count(len(result.duplicates), 'group')} of images that are copies, {exact:,} of them exact; "
        f"{format_count(copies, 'image')} too many"
    )
    if leaks := result.leaks():
        text += f"; {format_count(len(leaks), 'group')} with images of both splits: a test on them proves nothing"
    if contradictions := result.contradictions():
        text += f"; {format_count(len(contradictions), 'group')} with different labels"
    return text


def _format_classes(result: DatasetAudit) -> str:
    names, balance = result.dataset.class_names, result.balance
    said = []
    for split, counts, low in zip(SPLITS, balance.counts, balance.underrepresented, strict=True):
        few = [f"{name} ({count:,})" for name, count, is_few in zip(names, counts, low, strict=True) if is_few]
        if few:
            said.append(f"few images in {split}: {', '.join(few)}")
    other = [name for name, differs in zip(names, balance.split_shift, strict=True) if differs]
    if other:
        said.append(f"other shares in train and test: {', '.join(other)}")
    if said:
        return "; ".join(said)
    return f"even: the largest has {balance.ratio:.2f} times as many images as the smallest"


def format_label_issues(found: Sequence[LabelIssue], split: str) -> str:
    """The labels of a split that are probably wrong, a line each; empty if there are none."""
    if not found:
        return ""
    shown = found[:ISSUES_PRINTED]
    where = "" if shown[0].place.origin is None else "where"
    rows = [[f"{split:<5}", "index", "label", "answer", "probability of label, of answer", where]]
    for each in shown:
        sure = f"{each.of_label:>6.1%} {each.of_answer:>7.1%}"
        rows.append(["", str(each.place.index), each.place.label, each.answer, sure, each.place.origin or ""])
    return "\n".join([format_table(rows, left={0, 2, 3, 4, 5}), *_more(len(found) - len(shown), "")])


def format_groups(result: DatasetAudit, found: Sequence[Group]) -> str:
    """Duplicates, a line for each group; empty if there are none."""
    lines = [
        f"{'exact' if group.exact else 'near ':<5}  {_list(result, group.members, MEMBERS_PRINTED)}"
        for group in found[:GROUPS_PRINTED]
    ]
    return "\n".join(["duplicates", *lines, *_more(len(found) - len(lines), " groups")]) if lines else ""


def format_outliers(result: DatasetAudit) -> str:
    """Images unlike MNIST's, the first of each kind; empty if there are none."""
    lines = []
    for attribute, kind, _ in KINDS:
        numbers = getattr(result.image_quality, attribute)
        if len(numbers):
            lines.append(f"{kind:<10}  {_list(result, numbers, PLACES_PRINTED)}")
    return "\n".join(lines)


def _images(numbers: np.ndarray, what: str) -> str:
    return f"{format_count(len(numbers), 'image')} {what}" if len(numbers) else "none"


def _list(result: DatasetAudit, numbers: np.ndarray, most: int) -> str:
    """The first of some images with their labels, and how many more there are."""
    shown = ", ".join(f"{place.name} ({place.label})" for place in result.places(numbers[:most]))
    return f"{shown} and {len(numbers) - most:,} more" if len(numbers) > most else shown


def _more(n: int, what: str) -> list[str]:
    return [f"… {n:,} more{what}, in check.json"] if n > 0 else []
