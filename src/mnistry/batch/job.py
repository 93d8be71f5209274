"""Reading at scale: a source of any size, read by workers on Ray Data, each picture in the output exactly once.

Only the numbers of parts go through Ray Data. A worker reads what its part holds and writes the part's file itself, so
nothing large is in memory or on its way anywhere; and a part that is read again, because a worker or a node was killed,
replaces its file by one with the same content.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import reduce
from importlib import resources
from operator import add
from typing import TYPE_CHECKING, Any

from mnistry.batch import output, ray_data, sources, storage
from mnistry.batch import plan as batch_plan
from mnistry.batch.output import Counts
from mnistry.batch.ray_data import GO_ON
from mnistry.batch.worker import Reader
from mnistry.errors import BatchError, ClusterError, MnistryError, RunError, require
from mnistry.models import model_source, onnx_file
from mnistry.models.classifier import SHIPPED
from mnistry.runtime import files, run_folder

if TYPE_CHECKING:
    from mnistry.batch.plan import Plan
    from mnistry.batch.sources import Source
    from mnistry.batch.storage import Place

SUMMARY = "summary.json"
LOOKS = 16  # files of the output that are looked at together: a store answers each after some time

Progress = Callable[[int, int, float], None]
"""Called with the number of pictures done, the number of all, and the pictures per second."""


@dataclass(frozen=True)
class BatchOptions:
    """The options of a batch.

    Attributes:
        source: a folder, a file or an address; see `batch.sources`.
        out: the folder for the output, or its address.
        model: a model file; None is the one that comes with the package.
        column: of Parquet, or the array of an NPZ file, where there are several.
        single: whether each picture shows one digit.
        resume: whether to go on with what is in the folder.
        workers: how many; None means one for each core.
        address: of a Ray cluster; None starts a Ray on this machine for the job.
    """

    source: str
    out: str
    model: str | None = None
    column: str | None = None
    single: bool = False
    resume: bool = False
    workers: int | None = None
    address: str | None = None


@dataclass(frozen=True)
class BatchSummary:
    """The result of a batch. `summary.json` holds it and is written last, so it means that the batch is complete.

    Attributes:
        source: what was read.
        pictures: how many there were.
        read: those that could be read.
        unsure: those of them that have no digit, or one that is not sure.
        failed: those that could not be read; their rows say why.
        passed_over: files in the source's folder that were left out, being neither pictures nor Parquet files by their
            names: `count`, and the `names` of the first three.
        parts: files of the output.
        pictures_now: how many were read in the last session; the others were there when it began.
        workers: how many there were in it.
        seconds: of it: until the first part was begun, from then until the last was done, and in all.
        pictures_per_second: in it, from when the first part was begun.
        model: the SHA-256 of the model file.
        version: mnistry's.
        class_names: the class of each `digit`, and of each of the `probabilities`.
    """

    source: str
    pictures: int
    read: int
    unsure: int
    failed: int
    passed_over: Mapping[str, Any]
    parts: int
    pictures_now: int
    workers: int
    seconds: Mapping[str, float]
    pictures_per_second: float
    model: str
    version: str
    class_names: Sequence[str]


def run_batch(options: BatchOptions, *, progress: Progress = lambda *_: None) -> BatchSummary:
    """Read a source into Parquet files, one row per picture.

    Returns:
        The summary; that of a batch that was complete already is the earlier one.

    Raises:
        MnistryError: source, model or folder cannot be used; Ray cannot start; the output cannot be written; the batch
            was stopped.
    """
    session = _Session()
    require("mnistry batch", *ray_data.NEEDED, remark=ray_data.INSTEAD)
    (model, names), source = _load_model(options.model), sources.recognise(options.source, options.column)
    out = storage.locate(options.out)
    with _lock_output(out, resume=options.resume), run_folder.explain_resume(*_resume_command(options)):
        plan = _load_or_make_plan(options, source, out, hashlib.sha256(model).hexdigest())
        done = _find_finished(plan, out) if options.resume else {}
        if len(done) == len(plan.rows) and out.system.exists(out.below(SUMMARY).path):
            return _read_summary(out)
        if len(done) < len(plan.rows):
            try:
                session.read(plan, out, model, options, done, progress)
            except ClusterError:
                if not options.resume:
                    _forget_plan(out)
                raise
        _check_complete(plan, out)
        summary = session.summary(plan, done, names)
        storage.write(out.below(SUMMARY), (json.dumps(asdict(summary), indent=2, ensure_ascii=False) + "\n").encode())
    return summary


class _Session:
    """The work of one call of `run_batch`, and its time."""

    def __init__(self) -> None:
        self._started = self._began = self._ended = time.time()
        self._workers = self._pictures = 0

    def read(
        self, plan: Plan, out: Place, model: bytes, options: BatchOptions, done: dict[int, Counts], progress: Progress
    ) -> None:
        """Read the parts that are not in `done`, and put them there."""
        todo = [part for part in range(len(plan.rows)) if part not in done]
        before, total = sum(counts.pictures for counts in done.values()), sum(plan.rows)
        progress(before, total, 0.0)
        with ray_data.connect(options.address, options.workers) as self._workers:
            began = float("inf")
            for row in ray_data.read_parts(Reader, (plan, out.address, model), todo, self._workers):
                if row["stopped"]:
                    raise BatchError(f"{row['stopped']} {GO_ON}")
                if not self._pictures:
                    _check_shared(out, row["part"])
                done[row["part"]] = Counts(row["pictures"], row["unsure"], row["failed"])
                began = min(began, row["began"])
                self._pictures, self._began, self._ended = self._pictures + row["pictures"], began, time.time()
                progress(before + self._pictures, total, self._rate)

    def summary(self, plan: Plan, done: Mapping[int, Counts], class_names: Sequence[str]) -> BatchSummary:
        """Sum up the whole batch."""
        counts = reduce(add, done.values())
        start, read = self._began - self._started, self._ended - self._began
        return BatchSummary(
            source=plan.source.given,
            pictures=counts.pictures,
            read=counts.pictures - counts.failed,
            unsure=counts.unsure,
            failed=counts.failed,
            passed_over=asdict(plan.passed_over),
            parts=len(plan.rows),
            pictures_now=self._pictures,
            workers=self._workers,
            seconds={"start": start, "read": read, "total": time.time() - self._started},
            pictures_per_second=self._rate,
            model=plan.model,
            version=plan.version,
            class_names=class_names,
        )

    @property
    def _rate(self) -> float:
        return self._pictures / max(self._ended - self._began, 1e-3)


def _load_model(path: str | None) -> tuple[bytes, tuple[str, ...]]:
    """The content of a model file, checked as far as it can be without running it, and the names of its classes."""
    content = resources.files("mnistry").joinpath(SHIPPED).read_bytes() if path is None else model_source.read(path)
    return content, onnx_file.check(content, path or SHIPPED)[0].class_names


@contextmanager
def _lock_output(out: Place, *, resume: bool) -> Iterator[None]:
    """The folder of the output, for this process alone where it is on this machine."""
    if not resume and out.system.exists(out.below(batch_plan.FOLDER).path):
        raise RunError(
            f"{out.given} holds a batch already. Go on with it: --resume. Or name another folder with --out."
        )
    if out.local:
        with run_folder.lock_run_folder(
            out.path if storage.ADDRESS in out.given else out.given, "batch", resume=resume
        ):
            yield
        return
    if out.system.exists(out.path) and out.system.ls(out.path, detail=False) and not resume:
        raise RunError(f"{out.given} is not empty, and nothing is overwritten. Name another folder with --out.")
    out.system.makedirs(out.path, exist_ok=True)
    yield


def _resume_command(options: BatchOptions) -> list[str]:
    """The command that resumes a job."""
    words = ["mnistry", "batch", options.source, "--out", options.out, "--resume"]
    words += ["--single"] if options.single else []
    for name, value in (("column", options.column), ("model", options.model), ("ray-address", options.address)):
        words += [] if value is None else [f"--{name}", value]
    return words


def _load_or_make_plan(options: BatchOptions, source: Source, out: Place, model: str) -> Plan:
    """The plan in the folder, checked to be that of this job; a new one where there is none."""
    plan = batch_plan.load(out) if options.resume else None
    if plan is not None:
        batch_plan.check(plan, source, out, single=options.single, model=model)
        return plan
    names = (path.rstrip("/").rpartition("/")[2] for path in out.system.ls(out.path, detail=False))
    strange = next((name for name in sorted(names) if not name.startswith(".")), None)
    if strange is not None:
        raise RunError(f"{out.given} holds {strange}, but no batch. Name another folder with --out.")
    try:
        return batch_plan.make(source, out, single=options.single, model=model)
    except MnistryError:
        _forget_plan(out)
        raise


def _forget_plan(out: Place) -> None:
    """Leave nothing that would keep another batch from the folder: nothing has been read."""
    with suppress(OSError):
        out.system.rm(out.below(batch_plan.FOLDER).path, recursive=True)


def _find_finished(plan: Plan, out: Place) -> dict[int, Counts]:
    """The parts whose files are there and whole. What was left half-written is removed."""
    names = _list_names(out)
    for name in names:
        if name.endswith(files.PART):
            out.system.rm_file(out.below(name).path)
    parts = [part for part in range(len(plan.rows)) if output.name_part(part) in names]

    def look(part: int) -> Counts | None:
        return output.read_counts(out.below(output.name_part(part)), part, plan.digest, plan.rows[part])

    with ThreadPoolExecutor(LOOKS) as pool:
        return {part: counts for part, counts in zip(parts, pool.map(look, parts), strict=True) if counts is not None}


def _check_shared(out: Place, part: int) -> None:
    """Make sure that the files of the workers can be seen from here."""
    if not out.system.exists(out.below(output.name_part(part)).path):
        raise BatchError(
            f"A worker has written into {out.given} on its own machine, where it cannot be seen from here. --out must "
            "be a folder that all machines of the cluster share, or an address such as s3://bucket/folder."
        )


def _check_complete(plan: Plan, out: Place) -> None:
    """Make sure that every part's file is there."""
    names = _list_names(out)
    missing = [part for part in range(len(plan.rows)) if output.name_part(part) not in names]
    if missing:
        raise BatchError(
            f"{out.given} has lost {len(missing)} of {len(plan.rows)} files since they were written. {GO_ON}"
        )


def _list_names(out: Place) -> set[str]:
    out.system.invalidate_cache()
    return {path.rstrip("/").rpartition("/")[2] for path in out.system.ls(out.path, detail=False)}


def _read_summary(out: Place) -> BatchSummary:
    place = out.below(SUMMARY)
    try:
        with storage.open_file(place) as file:
            return BatchSummary(**json.loads(file.read()))
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise RunError(
            f"{place.given} cannot be read: {storage.explain_error(error)}. Remove it and resume again."
        ) from None
