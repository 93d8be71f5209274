"""What `mnistry batch` does: progress to standard error, what came of it to standard output."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mnistry.batch import job

if TYPE_CHECKING:
    from mnistry.batch.job import BatchOptions, BatchSummary


def run(options: BatchOptions) -> None:
    """Runs a batch and prints what came of it."""
    from mnistry.cli import progress

    with progress.LiveBars() as bars:
        summary = job.run_batch(options, progress=bars.pictures)
    print(words(summary))
    print(f"output  {options.out.rstrip('/')}/part-*.parquet, {job.SUMMARY}")


def words(summary: BatchSummary) -> str:
    """What came of a batch, as a table."""
    here = f"{summary.pictures_now:,} pictures" if summary.pictures_now != summary.pictures else ""
    seconds = summary.seconds
    rows = [
        ("pictures", f"{summary.pictures:,}", ""),
        ("read", f"{summary.read:,}", ""),
        ("unsure", f"{summary.unsure:,}", "no digit, or one that is not sure"),
        ("failed", f"{summary.failed:,}", "their rows say why" if summary.failed else ""),
        ("seconds", f"{seconds['total']:,.1f}", f"{seconds['start']:.1f} until the first was begun"),
        ("pictures/s", f"{summary.pictures_per_second:,.0f}", f"after that, with {summary.workers} workers"),
    ]
    if here:
        rows[4] = (rows[4][0], rows[4][1], f"{rows[4][2]}; {here} in this session")
    width = max(len(value) for _, value, _ in rows)
    return "\n".join(f"{name:<11} {value:>{width}}   {remark}".rstrip() for name, value, remark in rows)
