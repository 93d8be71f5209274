"""The output of a batch: one Parquet file per part, one row per picture, written atomically."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mnistry.batch import storage

if TYPE_CHECKING:
    import pyarrow as pa

    from mnistry.batch.storage import Place
    from mnistry.ocr.recognizer import Recognizer
    from mnistry.ocr.result import ReadResult

FACTS = b"mnistry"  # the key of the facts in a file's metadata


@dataclass(frozen=True)
class Counts:
    """Counts of pictures by result.

    Attributes:
        pictures: how many there were.
        unsure: those that were read, but have no digit or one that is not sure.
        failed: those that could not be read.
    """

    pictures: int = 0
    unsure: int = 0
    failed: int = 0

    def __add__(self, other: Counts) -> Counts:
        """Add two counts."""
        return Counts(self.pictures + other.pictures, self.unsure + other.unsure, self.failed + other.failed)


def name_part(part: int) -> str:
    """The name of a part's file."""
    return f"part-{part:05d}.parquet"


def make_schema(classes: int) -> pa.Schema:
    """The columns, for the number of classes of a model: the same words as in `mnistry read --json`."""
    import pyarrow as pa

    digit = pa.struct(
        [("digit", pa.int16()), ("probability", pa.float32()), ("box", pa.list_(pa.int32(), 4)), ("sure", pa.bool_())]
    )
    return pa.schema(
        [
            ("source", pa.string()),
            ("text", pa.string()),
            ("digits", pa.list_(digit)),
            ("probabilities", pa.list_(pa.list_(pa.float32(), classes))),
            ("skipped", pa.list_(pa.struct([("box", pa.list_(pa.int32(), 4)), ("reason", pa.string())]))),
            ("sure", pa.bool_()),
            ("error", pa.string()),
        ]
    )


def tabulate_images(
    recognizer: Recognizer, names: pa.Array, images: np.ndarray, good: np.ndarray, *, error: str, single: bool
) -> pa.Table:
    """The rows of 28×28 images in MNIST's form.

    Args:
        recognizer: the model that answers.
        names: what the n images are called.
        images: uint8 (m, 28, 28), 0–255, ink bright on black.
        good: bool (n,), which of the n there is an image for; m are set.
        error: what to say of the others.
        single: whether each is taken for a digit whatever it looks like, as long as there is ink in it.
    """
    import pyarrow as pa

    classes = len(recognizer.info.class_names)
    answers = recognizer.predict_all(images)
    shown = (answers.is_digit | single) & images.any(axis=(1, 2))
    digits, probabilities, sure = answers.digits[shown], answers.probabilities[shown], answers.sure[shown]
    rows = np.flatnonzero(good)[shown]  # (k,): the position of each digit among the n
    n = len(good)
    offsets = pa.array(np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=n))]).astype(np.int32))
    each = make_schema(classes).field("digits").type.value_type
    columns = [
        pa.array(digits.astype(np.int16)),
        pa.array(probabilities.max(axis=1, initial=0)),
        pa.FixedSizeListArray.from_arrays(pa.array(_boxes(images[shown]).reshape(-1)), 4),
        pa.array(sure),
    ]
    text = np.full(n, classes, np.int64)
    text[rows] = digits
    certain = np.zeros(n, bool)
    certain[rows] = sure
    spread = pa.FixedSizeListArray.from_arrays(pa.array(probabilities.reshape(-1)), classes)
    return pa.table(
        [
            names,
            pa.array([*recognizer.info.class_names, ""]).take(pa.array(text)),
            pa.ListArray.from_arrays(offsets, pa.StructArray.from_arrays(columns, fields=list(each))),
            pa.ListArray.from_arrays(offsets, spread),
            pa.array([[]] * n, make_schema(classes).field("skipped").type),
            pa.array(certain),
            pa.array([None if each else error for each in good.tolist()], pa.string()),
        ],
        make_schema(classes),
    )


def tabulate_results(outcomes: Sequence[ReadResult], classes: int) -> pa.Table:
    """The rows of pictures of any kind."""
    import pyarrow as pa

    return pa.Table.from_pylist([_row(outcome) for outcome in outcomes], make_schema(classes))


def write(place: Place, table: pa.Table, part: int, plan: str) -> Counts:
    """Write the file of a part, and what was counted into its metadata.

    Args:
        place: of the file.
        table: its rows.
        part: its number.
        plan: the digest of the plan that it belongs to.

    Raises:
        OSError: it cannot be written; of other errors of a store's client, too.
    """
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    failed = table.num_rows - table["error"].null_count
    unsure = table.num_rows - failed - (pc.sum(table["sure"]).as_py() or 0)
    counts = Counts(table.num_rows, unsure, failed)
    facts = json.dumps({"part": part, "plan": plan, **asdict(counts)}).encode()
    content = io.BytesIO()
    pq.write_table(table.replace_schema_metadata({FACTS: facts}), content, compression="zstd", use_dictionary=["text"])
    storage.write(place, content.getvalue())
    return counts


def read_counts(place: Place, part: int, plan: str, rows: int) -> Counts | None:
    """Read the counts of a part from its file; None if it is missing, incomplete or of another plan."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with storage.open_file(place) as file:
            metadata = pq.ParquetFile(file).metadata
        facts: dict[str, Any] = json.loads(metadata.metadata[FACTS])
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError):
        return None
    mine = facts.pop("part") == part and facts.pop("plan") == plan and metadata.num_rows == rows
    return Counts(**facts) if mine else None


def _row(outcome: ReadResult) -> dict[str, Any]:
    """A row of the output."""
    row = outcome.as_json()
    for key in ("source", "error"):  # a file's name need not be text
        row[key] = row[key] and row[key].encode(errors="replace").decode()
    row["probabilities"] = [digit.pop("probabilities") for digit in row["digits"]]
    row["sure"] = outcome.reading is not None and outcome.reading.sure
    return row


def _boxes(images: np.ndarray) -> np.ndarray:
    """The boxes of the ink in images, uint8 (n, 28, 28), each with some: int32 (n, 4) of x, y, width and height."""
    sides = []
    for axis in (1, 2):  # over the rows: which columns have ink; over the columns: which rows
        ink = np.asarray(images.any(axis=axis))
        first = ink.argmax(axis=1)
        sides.append((first, ink.shape[1] - ink[:, ::-1].argmax(axis=1) - first))
    (x, width), (y, height) = sides
    return np.stack([x, y, width, height], axis=1).astype(np.int32)
