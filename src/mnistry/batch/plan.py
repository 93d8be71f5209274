"""The plan of a batch: its source split into parts, stored so that a resumed job has the same.

Each part becomes one file of the output. Parts are small at first, so that few pictures are shared among all workers
and something is soon seen to be done, and grow to a size at which beginning one costs nothing.
"""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, astuple, dataclass, replace
from itertools import count, zip_longest
from typing import TYPE_CHECKING, Any

import mnistry
from mnistry.batch import storage
from mnistry.batch.parquet_source import IMAGES, PICTURES
from mnistry.batch.sources import Piece, Source, list_pieces
from mnistry.errors import DataError, RunError
from mnistry.runtime import run_folder
from mnistry.runtime.files import PassedOver

if TYPE_CHECKING:
    from mnistry.batch.storage import Place

FOLDER, LIST, FACTS = ".plan", "pieces.arrow", "plan.json"  # hidden from who reads the output's folder as Parquet
SIZES = {IMAGES: (2048, 16_384), PICTURES: (32, 512)}  # of the first parts and of the largest: a second's work or more
ALIKE = 8  # parts of a size before it doubles
GROUP = 4096  # pieces, at least, that are stored and read together
ANOTHER = "Begin anew in another folder."

Part = list[Piece]
Numbered = tuple[int, Piece]


@dataclass(frozen=True)
class Plan:
    """The plan of a batch.

    Attributes:
        source: what is read.
        single: whether each picture shows one digit.
        model: the SHA-256 of the model file.
        version: mnistry's.
        digest: the SHA-256 of the list of pieces.
        groups: the first part in each group of the list.
        rows: how many pictures each part has.
        passed_over: files of a folder that are neither pictures nor Parquet files by their names.
    """

    source: Source
    single: bool
    model: str
    version: str
    digest: str
    groups: tuple[int, ...]
    rows: tuple[int, ...]
    passed_over: PassedOver

    def group_of(self, part: int) -> int:
        """The group of the list that holds a part's pieces."""
        return bisect_right(self.groups, part) - 1


class PieceList:
    """The stored list of pieces, a group of parts at a time in memory."""

    def __init__(self, out: Place) -> None:
        """Open the list in the folder of the output."""
        import pyarrow as pa

        self._place = out.below(FOLDER).below(LIST)
        with self._explain_damage():
            self._file = pa.ipc.open_file(storage.open_file(self._place))
        self._group, self._parts = -1, dict[int, Part]()

    def part(self, number: int, group: int) -> Part:
        """The pieces of a part, which is in this group."""
        if group != self._group:
            self._group, self._parts = group, {}
            for owner, piece in self._rows(group):
                self._parts.setdefault(owner, []).append(piece)
        return self._parts[number]

    def all(self) -> Iterator[Numbered]:
        """All pieces with the numbers of their parts."""
        for group in range(self._file.num_record_batches):
            yield from self._rows(group)

    def _rows(self, group: int) -> Iterator[Numbered]:
        with self._explain_damage():
            columns = [column.to_pylist() for column in self._file.get_batch(group).columns]
            found = [
                (part, Piece(file.decode(errors="surrogateescape"), first, rows, stamp))
                for part, file, first, rows, stamp in zip(*columns, strict=True)
            ]
        yield from found

    @contextmanager
    def _explain_damage(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # of pyarrow's, of a store's client, and of values of other types
            raise RunError(f"{self._place.given} is damaged: {storage.explain_error(error):.200}. {ANOTHER}") from None


def make(source: Source, out: Place, *, single: bool, model: str) -> Plan:
    """List a source and store the plan in the folder of the output, its facts last.

    Args:
        source: what is read.
        out: the folder of the output.
        single: whether each picture shows one digit.
        model: the SHA-256 of the model file.

    Raises:
        DataError: the source cannot be listed, or holds nothing.
    """
    import pyarrow as pa

    digest, groups, rows, passed_over = hashlib.sha256(), list[int](), list[int](), PassedOver()
    number = pa.int64()
    schema = pa.schema({"part": pa.int32(), "file": pa.binary(), "first": number, "rows": number, "stamp": pa.string()})
    out.system.makedirs(out.below(FOLDER).path, exist_ok=True)
    with storage.open_new_file(out.below(FOLDER).below(LIST)) as sink, pa.ipc.new_file(sink, schema) as writer:
        for group in _group_parts(
            enumerate(_cut_into_parts(list_pieces(source, passed_over), _part_sizes(source.kind)))
        ):
            groups.append(group[0][0])
            rows += [sum(piece.rows for piece in part) for _, part in group]
            stored = [_to_row(number, piece) for number, part in group for piece in part]
            digest.update(repr(stored).encode())
            writer.write_batch(pa.record_batch([list(column) for column in zip(*stored, strict=True)], schema))
    if not rows:
        raise DataError(f"{source.given} holds nothing to read: it has no row and names no file.")
    plan = Plan(source, single, model, mnistry.__version__, digest.hexdigest(), tuple(groups), tuple(rows), passed_over)
    storage.write(out.below(FOLDER).below(FACTS), json.dumps(asdict(plan), indent=1).encode())
    return plan


def load(out: Place) -> Plan | None:
    """The plan in the folder of an output, None if none is there or it was not finished.

    Raises:
        RunError: it is damaged.
    """
    place = out.below(FOLDER).below(FACTS)
    if not place.system.exists(place.path):
        return None
    try:
        with storage.open_file(place) as file:
            facts = json.loads(file.read())
        of_types = run_folder.check_types
        facts |= {
            "source": of_types(Source, facts["source"]),
            "passed_over": of_types(PassedOver, facts["passed_over"]),
            **{name: tuple(facts[name]) for name in ("groups", "rows")},
        }
        return of_types(Plan, facts)
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise RunError(f"{place.given} cannot be read as the plan of a batch: {error!s:.200}. {ANOTHER}") from None


def check(plan: Plan, source: Source, out: Place, *, single: bool, model: str) -> None:
    """Check that a job that is resumed is still the same.

    Raises:
        RunError: source, model or options are not what they were; says which.
    """
    facts = {
        "the source": (plan.source.address, source.address),
        "what is read of it": (plan.source.content, source.content),
        "--single": (plan.single, single),
        "the model": (plan.model, model),
        "mnistry": (plan.version, mnistry.__version__),
    }
    for name, (was, now) in facts.items():
        if was != now:
            raise RunError(
                f"The batch in {out.given} was begun otherwise: {name} was {was!s:.200}, is {now}. {ANOTHER}"
            )
    parts = enumerate(_cut_into_parts(list_pieces(source, PassedOver()), _part_sizes(source.kind)))
    fresh = ((number, piece) for number, part in parts for piece in part)
    for before, after in zip_longest(PieceList(out).all(), fresh):
        if before != after:
            change = _describe_change(before, after)
            raise RunError(f"{source.given} has changed since the batch in {out.given} was begun: {change}. {ANOTHER}")


def _cut_into_parts(whole: Iterable[Piece], sizes: Iterator[int]) -> Iterator[Part]:
    """Pieces put together and cut into parts of these sizes, the last one smaller."""
    part, room = Part(), next(sizes)
    for each in whole:
        piece = each
        while piece.rows:
            taken = min(room, piece.rows)
            part.append(replace(piece, rows=taken))
            piece, room = replace(piece, first=piece.first + taken, rows=piece.rows - taken), room - taken
            if not room:
                yield part
                part, room = [], next(sizes)
    if part:
        yield part


def _part_sizes(kind: str) -> Iterator[int]:
    smallest, largest = SIZES[kind]
    return (min(largest, smallest << min(number // ALIKE, 10)) for number in count())


def _group_parts(parts: Iterable[tuple[int, Part]]) -> Iterator[list[tuple[int, Part]]]:
    group, size = list[tuple[int, Part]](), 0
    for number, part in parts:
        group.append((number, part))
        size += len(part)
        if size >= GROUP:
            yield group
            group, size = [], 0
    if group:
        yield group


def _to_row(number: int, piece: Piece) -> tuple[Any, ...]:
    part, (file, *rest) = number, astuple(piece)
    return part, file.encode(errors="surrogateescape"), *rest


def _describe_change(before: Numbered | None, after: Numbered | None) -> str:
    if before is None or after is None:
        known = before or after
        return f"{known[1].file or 'rows'} {'is new' if before is None else 'is gone'}" if known else ""
    was, now = before[1], after[1]
    if was.file != now.file:
        return f"where {was.file} was there is {now.file}"
    return f"{was.file or 'the file'} was {was.stamp}, is {now.stamp}"
