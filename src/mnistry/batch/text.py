"""The result of a batch as text for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mnistry.reporting.text import format_table
from mnistry.runtime.files import PassedOver

if TYPE_CHECKING:
    from mnistry.batch.job import BatchSummary


def format_summary(batch: BatchSummary) -> str:
    """A table of a batch's counts and rates, one line each."""
    seconds, failed = batch.seconds, "their rows say why" if batch.failed else ""
    if batch.pictures_now != batch.pictures:
        failed = f"{failed}; {batch.pictures_now:,} pictures in this session"
    rows = [
        ("pictures", f"{batch.pictures:,}", ""),
        ("read", f"{batch.read:,}", ""),
        ("unsure", f"{batch.unsure:,}", "no digit, or one that is not sure"),
        ("failed", f"{batch.failed:,}", failed),
        ("seconds", f"{seconds['total']:,.1f}", f"{seconds['start']:.1f} until the first was begun"),
        ("pictures/s", f"{batch.pictures_per_second:,.0f}", f"after that, with {batch.workers} workers"),
    ]
    if batch.passed_over["count"]:
        left_out = PassedOver(**batch.passed_over)
        rows.insert(4, ("passed over", f"{left_out.count:,}", f"not named like pictures or Parquet: {left_out}"))
    return format_table(rows, left={0, 2})
