"""Batches without Ray: what sources are taken, how they are cut, and what a worker makes of a part."""

from __future__ import annotations

import gzip
import io
import json
import os
import signal
import struct
import sys
import time
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from types import SimpleNamespace

import fsspec
import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from scipy.io import savemat

from helpers.batching import parts, rows
from helpers.writing import Page, digit, save_pictures
from mnistry.batch import job, output, sources, storage, worker
from mnistry.batch import plan as batch_plan
from mnistry.batch.output import Counts
from mnistry.batch.worker import read_picture
from mnistry.errors import ClusterError, DataError, MissingExtraError, MnistryError, RunError, UsageError
from mnistry.models.classifier import SHIPPED
from mnistry.ocr import image_io, result
from mnistry.ocr.normalization import is_normalized
from mnistry.ocr.recognizer import Recognizer, read_all
from mnistry.runtime.files import PART, PassedOver

MODEL = resources.files("mnistry").joinpath(SHIPPED).read_bytes()
N = 300


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    return Recognizer.load(threads=1)


@pytest.fixture(scope="module")
def images(digits) -> np.ndarray:
    return digits.x_test[:N]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def read_here(
    source: str, out: str = "out", *, column: str | None = None, single: bool = True
) -> dict[str, np.ndarray]:
    """Run a batch with one worker in this process."""
    place = storage.locate(out)
    plan = batch_plan.make(sources.recognise(source, column), place, single=single, model="")
    return worker.Reader(plan, place.address, MODEL)({"part": np.arange(len(plan.rows))})


def as_json(row: dict) -> dict:
    """A row of the output as `mnistry read --json` would print it."""
    pairs = zip(row["digits"], row["probabilities"], strict=True)
    digits = [{**digit, "probabilities": probabilities} for digit, probabilities in pairs]
    return {**{name: row[name] for name in ("source", "text", "skipped", "error")}, "digits": digits}


def idx_bytes(images: np.ndarray) -> bytes:
    return struct.pack(">4I", 2051, *images.shape) + images.tobytes()


def png(image: np.ndarray) -> bytes:
    content = io.BytesIO()
    Image.fromarray(image).save(content, "PNG")
    return content.getvalue()


def column_of(values: object, kind: pa.DataType | None = None) -> pa.Table:
    return pa.table({"label": list(range(N)), "image": pa.array(values, kind)})


HEADER = "label," + ",".join(f"pixel{number}" for number in range(784))
FORMS: dict[str, Callable[[Path, np.ndarray], object]] = {
    "a.npy": np.save,
    "a.npz": lambda path, x: np.savez(path, images=x, labels=np.arange(9)),
    "packed.npz": lambda path, x: np.savez_compressed(path, images=x),
    "flat.npz": lambda path, x: np.savez(path, images=x.reshape(-1, 784)),
    "channel.npy": lambda path, x: np.save(path, x[..., None]),
    "a-idx3-ubyte": lambda path, x: path.write_bytes(idx_bytes(x)),
    "a-idx3-ubyte.gz": lambda path, x: path.write_bytes(gzip.compress(idx_bytes(x))),
    "a.csv": lambda path, x: np.savetxt(path, x.reshape(N, 784), "%d", ","),
    "labelled.csv.gz": lambda path, x: np.savetxt(
        path, np.column_stack([np.arange(N) % 10, x.reshape(N, 784)]), "%d", ",", header=HEADER, comments=""
    ),
    "a.h5": lambda path, x: h5py.File(path, "w").create_dataset("x", data=x).file.close(),
    "a.mat": lambda path, x: savemat(path, {"X": x.transpose(1, 2, 0), "y": np.arange(N) % 10}),
    "fixed.parquet": lambda path, x: pq.write_table(
        column_of(pa.FixedSizeListArray.from_arrays(pa.array(x.reshape(-1)), 784)), path, row_group_size=70
    ),
    "lists.parquet": lambda path, x: pq.write_table(column_of(x.reshape(N, 784).tolist()), path),
    "nested.parquet": lambda path, x: pq.write_table(column_of(x.tolist()), path, row_group_size=120),
    "bytes.parquet": lambda path, x: pq.write_table(column_of([each.tobytes() for each in x]), path),
    "binary.parquet": lambda path, x: pq.write_table(column_of([each.tobytes() for each in x], pa.binary(784)), path),
}


@pytest.mark.parametrize("name", FORMS)
def test_images_in_any_form_get_the_recognisers_own_answers(name, images, recognizer, tmp_path, monkeypatch):
    monkeypatch.setitem(batch_plan.SIZES, "images", (128, 256))  # three parts
    FORMS[name](tmp_path / name, images)
    done = read_here(name)
    answers, table = recognizer.predict_all(images), rows(tmp_path / "out")
    assert done["pictures"].sum() == N
    assert done["unsure"].sum() == N - answers.sure.sum()
    assert done["failed"].sum() == 0
    assert table["source"].to_pylist() == [f"{name}#{row}" for row in range(N)]
    assert table["text"].to_pylist() == [str(each) for each in answers.digits]
    assert np.array_equal(np.array(table["probabilities"].to_pylist(), np.float32)[:, 0], answers.probabilities)
    assert table["sure"].to_pylist() == answers.sure.tolist()
    assert table["error"].null_count == N
    found = [digits[0] for digits in table["digits"].to_pylist()]
    assert [each["digit"] for each in found] == answers.digits.tolist()
    assert [each["sure"] for each in found] == answers.sure.tolist()


def test_classes_are_numbered_as_high_as_there_can_be():
    n = 256
    info = SimpleNamespace(class_names=tuple(f"class {number}" for number in range(n)))
    answers = SimpleNamespace(
        digits=np.arange(n), is_digit=np.ones(n, bool), probabilities=np.eye(n, dtype=np.float32), sure=np.ones(n, bool)
    )
    model = SimpleNamespace(info=info, predict_all=lambda _: answers)
    names, images = pa.array([str(number) for number in range(n)]), np.full((n, 28, 28), 255, np.uint8)
    table = output.tabulate_images(model, names, images, np.ones(n, bool), error="", single=True)
    assert [digits[0]["digit"] for digits in table["digits"].to_pylist()] == list(range(n))
    assert table["text"].to_pylist() == list(info.class_names)


def test_a_digits_box_is_that_of_its_ink(images, recognizer, tmp_path):
    np.save("a.npy", images)
    read_here("a.npy")
    found = rows(tmp_path / "out")["digits"].to_pylist()
    known = [number for number in range(N) if is_normalized(images[number])]
    assert len(known) > 20
    for number in known:
        assert tuple(found[number][0]["box"]) == recognizer.read_digit(images[number]).box


def test_what_is_no_digit_has_no_text_unless_it_is_said_to_be_one(images, recognizer, tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (40, 28, 28), np.uint8)
    mixed = np.concatenate([images[:40], noise, np.zeros((2, 28, 28), np.uint8)])
    np.save("a.npy", mixed)
    read_here("a.npy", "as-it-is", single=False)
    read_here("a.npy", "single")
    answers = recognizer.predict_all(mixed)
    assert 30 < answers.is_digit.sum() < 80
    expected = [str(each) if known else "" for each, known in zip(answers.digits, answers.is_digit, strict=True)]
    expected[80:] = ["", ""]
    assert rows(tmp_path / "as-it-is")["text"].to_pylist() == expected
    assert [len(each) for each in rows(tmp_path / "as-it-is")["digits"].to_pylist()] == [len(each) for each in expected]
    assert rows(tmp_path / "single")["text"].to_pylist() == [*map(str, answers.digits[:80]), "", ""]


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Pictures in folders, one of them none, one blank."""
    save_pictures(tmp_path / "pictures")
    Page(200, 100).image().save(tmp_path / "pictures" / "blank.png")
    (tmp_path / "pictures" / "none.png").write_text("no picture")
    (tmp_path / "pictures" / "empty.png").write_bytes(b"")
    return tmp_path


def test_a_folder_gives_what_read_gives(pictures, mnistry):
    done = read_here("pictures", single=False)
    expected = [json.loads(line) for line in mnistry("read", "--json", "pictures").stdout.splitlines()]
    table = rows(pictures / "out")
    assert len(expected) == 5
    assert [as_json(row)["source"] for row in table.to_pylist()] == [each["source"] for each in expected]
    assert [as_json(row) for row in table.to_pylist()] == expected
    assert table["sure"].to_pylist() == [
        bool(each["digits"]) and all(digit["sure"] for digit in each["digits"]) for each in expected
    ]
    assert [done[name].sum() for name in ("pictures", "failed")] == [5, 2]


def test_a_list_of_paths_gives_a_row_a_line(pictures, recognizer):
    Path("list.txt").write_text("pictures/b.png\n\npictures/nowhere.png\r\npictures/below/a.JPG\npictures/below\n")
    read_here("list.txt", single=False)
    found = rows(pictures / "out").to_pylist()
    texts = [recognizer.read(f"pictures/{name}").text for name in ("b.png", "below/a.JPG")]
    assert [(row["source"], row["text"]) for row in found] == [
        ("pictures/b.png", texts[0]),
        ("pictures/nowhere.png", ""),
        ("pictures/below/a.JPG", texts[1]),
        ("pictures/below", ""),
    ]
    assert found[1]["error"] == "pictures/nowhere.png cannot be read: No such file or directory."
    assert found[3]["error"] == "pictures/below cannot be read: Is a directory."


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("plan.json", b"[5]", "cannot be read as the plan of a batch"),
        ("plan.json", b'{"groups": [[1]]}', "cannot be read as the plan of a batch"),
        ("plan.json", None, r"cannot be read as the plan of a batch: groups is \({},\)"),
        ("pieces.arrow", b"ARROW1", "pieces.arrow is damaged: "),
    ],
)
def test_a_plan_that_is_damaged_or_odd_is_one_sentence(name, content, sentence, images, tmp_path):
    np.save("a.npy", images)
    place, source = storage.locate("out"), sources.recognise("a.npy")
    batch_plan.make(source, place, single=False, model="")
    path = Path("out/.plan") / name
    path.write_bytes(content or json.dumps({**json.loads(path.read_text()), "groups": [{}]}).encode())
    with pytest.raises(RunError, match=sentence):
        batch_plan.check(batch_plan.load(place), source, place, single=False, model="")


def test_any_filesystem_of_fsspecs_is_read_and_written(pictures, recognizer):
    memory = fsspec.filesystem("memory")
    memory.put("pictures", "/stack/pictures", recursive=True)
    memory.pipe("/stack/list.txt", b"memory://stack/pictures/b.png\n")
    outcomes = read_all(image_io.list_pictures(["pictures"]))
    expected = [outcome.reading.text if outcome.reading else "" for outcome in outcomes]
    for source, texts in (("pictures", expected), ("list.txt", expected[:1])):
        done = read_here(f"memory://stack/{source}", f"memory://out/{source}", single=False)
        assert done["pictures"].sum() == len(texts)
        with memory.open(f"/out/{source}/part-00000.parquet") as file:
            table = pq.read_table(file)
        assert table["text"].to_pylist() == texts
        assert table["source"].to_pylist()[0] == "memory://stack/pictures/b.png"
        assert not [name for name in memory.find(f"/out/{source}") if name.endswith(PART)]


def test_pictures_in_parquet_as_the_hub_has_them(images, recognizer, tmp_path):
    pictures = [digit(str(number), height=60) for number in range(10)]
    contents = [png(np.asarray(each)) for each in pictures]
    hub = pa.table({"image": [{"bytes": each, "path": "a.png"} for each in contents], "label": list(range(10))})
    pq.write_table(hub, "hub.parquet", row_group_size=4)
    read_here("hub.parquet")
    found = [as_json(row) for row in rows(tmp_path / "out").to_pylist()]
    readings = [recognizer.read(each, single=True).as_json() for each in pictures]
    assert found == [{**reading, "source": f"hub.parquet#{row}"} for row, reading in enumerate(readings)]


def test_a_row_that_holds_no_image_has_an_error_and_the_others_their_answers(images, recognizer, tmp_path):
    values = images.reshape(N, 784).astype(int).tolist()
    values[3], values[5], values[7], values[9] = None, [1, 2], [*values[7][:-1], 256], [*values[9][:-1], None]
    pq.write_table(column_of(values), "a.parquet")
    done = read_here("a.parquet")
    table = rows(tmp_path / "out")
    bad = [row for row, error in enumerate(table["error"].to_pylist()) if error]
    assert bad == [3, 5, 7, 9]
    assert set(table["error"].to_pylist()) == {None, worker.NO_IMAGE}
    assert done["failed"].sum() == 4
    expected = [str(each) for each in recognizer.predict_all(images).digits]
    assert table["text"].to_pylist() == ["" if row in bad else text for row, text in enumerate(expected)]


def test_a_picture_in_parquet_that_is_none_has_an_error(images, tmp_path):
    pq.write_table(pa.table({"image": [png(images[0]), b"nothing", None, png(images[1])]}), "a.parquet")
    read_here("a.parquet")
    found = rows(tmp_path / "out").to_pylist()
    assert [bool(row["text"]) for row in found] == [True, False, False, True]
    assert found[1]["error"].startswith("a.parquet#1 is not a picture that can be read")
    assert found[2]["error"] == "a.parquet#2 holds no picture: its value is null."


def test_a_file_that_is_damaged_in_the_middle_has_rows_with_the_reason(images, recognizer, tmp_path, monkeypatch):
    monkeypatch.setitem(batch_plan.SIZES, "images", (70, 70))
    pq.write_table(column_of(images.reshape(N, 784).tolist()), "a.parquet", row_group_size=100, compression="zstd")
    metadata = pq.ParquetFile("a.parquet").metadata.row_group(1).column(1)
    content = bytearray(Path("a.parquet").read_bytes())
    middle = metadata.data_page_offset + metadata.total_compressed_size // 2
    content[middle : middle + 64] = bytes(64)
    Path("a.parquet").write_bytes(content)
    done = read_here("a.parquet")
    errors = rows(tmp_path / "out")["error"].to_pylist()
    expected = [str(each) for each in recognizer.predict_all(images).digits]
    assert done["pictures"].tolist() == [70, 70, 70, 70, 20]
    assert rows(tmp_path / "out")["source"].to_pylist() == [f"a.parquet#{row}" for row in range(N)]
    assert rows(tmp_path / "out")["text"].to_pylist()[:100] == expected[:100]
    assert rows(tmp_path / "out")["text"].to_pylist()[210:] == expected[210:]
    assert set(errors[:100] + errors[210:]) == {None}
    assert all(error.startswith("a.parquet cannot be read after row 1") for error in errors[140:200])


@pytest.mark.parametrize("name", ["a.gz", "a.npz"])
def test_a_packed_file_that_is_damaged_is_refused_before_anything_is_read(name, images):
    FORMS["a-idx3-ubyte.gz" if name == "a.gz" else "packed.npz"](Path(name), images)
    content = bytearray(Path(name).read_bytes())
    content[len(content) // 2] ^= 255
    Path(name).write_bytes(content)
    with pytest.raises(DataError, match=rf"{name}.* is damaged: "):
        list(sources.list_pieces(sources.recognise(name), PassedOver()))


def test_a_folder_of_parquet_files_is_one_source(images, recognizer, tmp_path):
    Path("shards").mkdir()
    for number in range(3):
        each = images[number * 100 : (number + 1) * 100].reshape(100, 784).tolist()
        pq.write_table(pa.table({"pixels": each}), f"shards/{number}.parquet")
    read_here("shards")
    table = rows(tmp_path / "out")
    assert table["source"].to_pylist()[98:102] == [
        "shards/0.parquet#98",
        "shards/0.parquet#99",
        "shards/1.parquet#0",
        "shards/1.parquet#1",
    ]
    assert table["text"].to_pylist() == [str(each) for each in recognizer.predict_all(images).digits]


def test_parts_grow_and_hold_every_row_once(tmp_path):
    np.save("a.npy", np.zeros((60_000, 28, 28), np.uint8))
    plan = batch_plan.make(sources.recognise("a.npy"), storage.locate("out"), single=True, model="")
    assert plan.rows == (*[2048] * 8, *[4096] * 8, 8192, 60_000 - 8 * 2048 - 8 * 4096 - 8192)
    assert batch_plan.load(storage.locate("out")) == plan
    pieces = list(batch_plan.PieceList(storage.locate("out")).all())
    assert [piece.first for _, piece in pieces] == np.cumsum([0, *plan.rows[:-1]]).tolist()
    assert [part for part, _ in pieces] == list(range(18))


def test_a_long_list_is_read_group_by_group(tmp_path):
    Path("list.txt").write_text("".join(f"{number}.png\n" for number in range(10_000)))
    plan = batch_plan.make(sources.recognise("list.txt"), storage.locate("out"), single=True, model="")
    assert sum(plan.rows) == 10_000
    assert plan.groups[0] == 0
    assert len(plan.groups) == 3
    stored = batch_plan.PieceList(storage.locate("out"))
    found = [piece.file for part in range(len(plan.rows)) for piece in stored.part(part, plan.group_of(part))]
    assert found == [f"{number}.png" for number in range(10_000)]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda: digit("5").save("pictures/b.png"), "b.png was "),
        (lambda: Path("pictures/below/a.JPG").unlink(), "below/a.JPG is gone"),
        (lambda: digit("5").save("pictures/below/z.png"), "below/z.png is new"),
        (lambda: digit("5").save("pictures/a.png"), "where b.png was there is a.png"),
    ],
)
def test_a_source_that_has_changed_is_refused(pictures, change, words):
    source, out = sources.recognise("pictures"), storage.locate("out")
    plan = batch_plan.make(source, out, single=False, model="m")
    batch_plan.check(plan, source, out, single=False, model="m")
    change()
    with pytest.raises(RunError, match="pictures has changed since the batch in out was begun: ") as caught:
        batch_plan.check(plan, source, out, single=False, model="m")
    assert words in str(caught.value)
    assert str(caught.value).endswith(" Begin anew in another folder.")


def test_another_model_or_option_is_refused(pictures):
    source, out = sources.recognise("pictures"), storage.locate("out")
    plan = batch_plan.make(source, out, single=False, model="m")
    with pytest.raises(RunError, match="was begun otherwise: the model was m, is n"):
        batch_plan.check(plan, source, out, single=False, model="n")
    with pytest.raises(RunError, match="was begun otherwise: --single was False, is True"):
        batch_plan.check(plan, source, out, single=True, model="m")
    with pytest.raises(RunError, match=r"was begun otherwise: the source was .*pictures, is .*below"):
        batch_plan.check(plan, sources.recognise("pictures/below"), out, single=False, model="m")


def test_a_file_that_is_not_whole_does_not_count(images, tmp_path):
    np.save("a.npy", images)
    read_here("a.npy")
    out = storage.locate("out")
    plan = batch_plan.load(out)
    place = out.below(output.name_part(0))

    def found() -> Counts | None:
        return output.read_counts(place, 0, plan.digest, N)

    assert found().pictures == N
    assert output.read_counts(place, 1, plan.digest, N) is None
    assert output.read_counts(place, 0, "another", N) is None
    assert output.read_counts(place, 0, plan.digest, N + 1) is None
    whole = Path(place.path).read_bytes()
    for size in (0, 5, len(whole) // 2, len(whole) - 1):
        Path(place.path).write_bytes(whole[:size])
        assert found() is None
    pq.write_table(pa.table({"a": [1]}), place.path)
    assert found() is None


def test_what_is_half_written_has_another_name_and_goes(tmp_path):
    place = storage.locate("out.parquet")

    def interrupted() -> None:
        with storage.open_new_file(place) as sink:
            sink.write(b"half")
            assert [path.suffix for path in tmp_path.iterdir()] == [PART]
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []
    storage.write(place, b"whole")
    assert Path("out.parquet").read_bytes() == b"whole"


WRONG: list[tuple[str, Callable[[], object], type[MnistryError], str]] = [
    ("nowhere", lambda: None, DataError, "nowhere does not exist."),
    (
        "empty",
        lambda: Path("empty").mkdir(),
        DataError,
        r"empty holds no pictures \(\.avif, .*\) and no Parquet files\.",
    ),
    ("a.txt", lambda: Path("a.txt").write_text(" \n"), DataError, "a.txt is empty: expected a folder of pictures"),
    (
        "a.csv",
        lambda: Path("a.csv").write_text(",".join(["0"] * 256) + "\n"),
        DataError,
        "a.csv has images of 16×16 pixels, expected 28×28",
    ),
    ("a.bin", lambda: Path("a.bin").write_bytes(b"a\0b" * 9), DataError, "a.bin cannot be read: expected a folder"),
    ("a.png", lambda: digit("3").save("a.png"), UsageError, "a.png is one picture: mnistry read reads it."),
    (
        "a.npy",
        lambda: np.save("a.npy", np.zeros((2, 28, 28))),
        DataError,
        r"a.npy is float64 \(2, 28, 28\), expected uint8",
    ),
    ("o.npy", lambda: np.save("o.npy", np.array([{}])), DataError, r"o.npy is object \(1,\), expected uint8"),
    ("a.npz", lambda: np.savez("a.npz", y=np.arange(3)), DataError, "a.npz holds no array of images: expected uint8"),
    (
        "b.npz",
        lambda: np.savez("b.npz", **dict.fromkeys(("x_train", "x_test"), np.zeros((2, 28, 28), np.uint8))),
        UsageError,
        r"b.npz holds several arrays of images. Name one with --column: x_train, x_test\.",
    ),
    (
        "labels",
        lambda: Path("labels").write_bytes(struct.pack(">2I", 2049, 12) + b"\1" * 12),
        DataError,
        r"labels is uint8 \(.*,\), expected uint8 \(n, 28, 28\)",
    ),
    (
        "huge.gz",
        lambda: Path("huge.gz").write_bytes(gzip.compress(struct.pack(">4I", 2051, 4_000_000_000, 28, 28))),
        DataError,
        "huge.gz has not the size that its header promises: 3,136,000,000,016 bytes, received at most",
    ),
    (
        "cut",
        lambda: Path("cut").write_bytes(idx_bytes(np.zeros((3, 28, 28), np.uint8))[:-1]),
        DataError,
        "cut has not the size that its header promises: 2,368 bytes, received 2,367. Fetch it again.",
    ),
    (
        "small",
        lambda: Path("small").write_bytes(idx_bytes(np.zeros((3, 20, 20), np.uint8))),
        DataError,
        r"small is uint8 \(.*, 20, 20\), expected uint8 \(n, 28, 28\)",
    ),
    ("a.parquet", lambda: pq.write_table(pa.table({"n": [1]}), "a.parquet"), DataError, r"received n \(int64\)\."),
    (
        "b.parquet",
        lambda: pq.write_table(pa.table({"p": [b"a"], "q": [b"b"]}), "b.parquet"),
        UsageError,
        "b.parquet has several columns that can be read. Name one with --column: p, q.",
    ),
    (
        "c.parquet",
        lambda: Path("c.parquet").write_bytes(b"PAR1 nothing"),
        DataError,
        "c.parquet cannot be read as Parquet: ",
    ),
    ("xyz://a/b", lambda: None, DataError, "xyz://a/b cannot be reached: Protocol not known: xyz"),
]


@pytest.mark.parametrize(("source", "make", "kind", "words"), WRONG, ids=[each[0] for each in WRONG])
def test_what_cannot_be_read_is_said_in_a_sentence(source, make, kind, words):
    make()
    with pytest.raises(kind, match=words):
        list(sources.list_pieces(sources.recognise(source), PassedOver()))


def test_a_column_must_be_there(images):
    np.savez("a.npz", images=images)
    pq.write_table(pa.table({"p": [b"a"], "q": [b"b"]}), "b.parquet")
    Path("list.txt").write_text("a.png\n")
    for source, words in (
        ("a.npz", "a.npz has no array 'x'. Name one of these with --column: images"),
        ("b.parquet", "b.parquet has no column 'x' that can be read"),
        ("list.txt", "--column names a column of Parquet or an array of NPZ; list.txt is a list of paths"),
    ):
        with pytest.raises(UsageError, match=words):
            sources.recognise(source, "x")
    assert sources.recognise("b.parquet", "q").column == "q"


def test_a_folder_with_two_kinds_is_refused(pictures, images):
    pq.write_table(pa.table({"p": [png(images[0])]}), "pictures/c.parquet")
    with pytest.raises(DataError, match="pictures holds pictures and Parquet files: name a folder with one kind"):
        list(sources.list_pieces(sources.recognise("pictures"), PassedOver()))


def test_a_full_disk_stops_the_job_with_a_sentence(images, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    np.save("a.npy", images)
    place = storage.locate("out")
    plan = batch_plan.make(sources.recognise("a.npy"), place, single=True, model="")
    monkeypatch.setattr(storage, "write", full)
    done = worker.Reader(plan, place.address, MODEL)({"part": np.array([0])})
    assert done["stopped"][0].endswith("/out cannot be written: No space left on device.")
    assert done["pictures"].tolist() == [0]


def spoil_a_picture(recognizer: Recognizer, picture: worker.Picture, *, single: bool) -> result.ReadResult:
    """Read a picture; one that says so kills the process that reads it, or never ends."""
    content = picture[1]
    if content == b"deadly":
        os.kill(os.getpid(), signal.SIGKILL)
    if content == b"endless":
        time.sleep(600)
    return read_picture(recognizer, picture, single=single)


def test_a_picture_that_kills_or_holds_its_reader_costs_itself_only(recognizer, tmp_path, monkeypatch):
    Path("pictures").mkdir()
    for number in (1, 3):
        digit(str(number), height=60).save(f"pictures/{number}.png")
    Path("pictures/2.png").write_bytes(b"deadly")
    Path("pictures/4.png").write_bytes(b"no picture")
    Path("pictures/5.png").write_bytes(b"endless")
    monkeypatch.setattr(worker, "SECONDS", 4.0)
    monkeypatch.setattr(worker, "read_picture", spoil_a_picture)
    done = read_here("pictures")
    found = rows(tmp_path / "out").to_pylist()
    assert done["failed"].tolist() == [3]
    assert [bool(row["digits"]) for row in found] == [True, False, True, False, False]
    assert found[1]["error"] == "pictures/2.png cannot be read: its process crashed."
    assert found[3]["error"].startswith("pictures/4.png is not a picture that can be read")
    assert found[4]["error"] == "pictures/5.png cannot be read: it took longer than 4 seconds."
    assert as_json(found[2]) == {**recognizer.read("pictures/3.png", single=True).as_json()}


def test_links_are_followed_and_what_cannot_be_read_has_a_row(tmp_path):
    """The same pictures as `mnistry read` takes: linked ones, those in linked folders, each folder once."""
    Path("elsewhere").mkdir()
    digit("4", height=60).save("elsewhere/a.png")
    Path("pictures/sub").mkdir(parents=True)
    digit("7", height=60).save("pictures/sub/b.png")
    Path("pictures/linked.png").symlink_to(tmp_path / "elsewhere" / "a.png")
    Path("pictures/folder").symlink_to(tmp_path / "elsewhere")
    Path("pictures/again").symlink_to(tmp_path / "elsewhere")
    Path("pictures/sub/up").symlink_to(tmp_path / "pictures")  # a circle
    Path("pictures/broken.png").symlink_to("nowhere.png")
    os.mkfifo("pictures/pipe.png")
    Path("pictures/notes.txt").write_text("not a picture")
    Path("pictures/.hidden.png").write_bytes(b"hidden")
    passed_over = PassedOver()
    named = image_io.list_pictures(["pictures"], passed_over)
    assert named == [
        f"pictures/{name}" for name in ("broken.png", "linked.png", "pipe.png", "sub/b.png", "again/a.png")
    ]
    assert str(passed_over) == "1 file (pictures/notes.txt)"
    done = read_here("pictures")
    found = rows(tmp_path / "out").to_pylist()
    assert [row["source"] for row in found] == named
    assert [row["text"] for row in found] == ["", "4", "", "7", "4"]
    assert found[0]["error"] == "pictures/broken.png cannot be read: No such file or directory."
    assert found[2]["error"] == "pictures/pipe.png cannot be read: It is not a regular file."
    assert done["failed"].tolist() == [2]
    plan = batch_plan.load(storage.locate("out"))
    assert plan.passed_over == PassedOver(1, [str(tmp_path / "pictures" / "notes.txt")])


def test_a_store_is_walked_like_a_folder():
    store = fsspec.filesystem("memory")
    for name in ("b.png", "sub/a.PNG", "notes.txt", ".hidden.png", ".git/c.png"):
        store.pipe(f"/walked/{name}", b"x")
    passed_over = PassedOver()
    found = storage.walk(storage.locate("memory://walked"), frozenset({".png"}), passed_over)
    assert [entry.name for entry in found] == ["b.png", "sub/a.PNG"]
    assert str(passed_over) == "1 file (notes.txt)"


def test_without_ray_the_command_that_installs_it_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingExtraError) as caught:
        job.run_batch(job.BatchOptions("anything", "out"))
    assert str(caught.value) == (
        "mnistry batch needs pandas, which is not installed. Install it with: pip install 'mnistry[ray]'. "
        "For up to some ten thousand pictures, mnistry read does without it."
    )


def test_an_address_where_no_ray_is_is_told_soon(images):
    np.save("a.npy", images)
    with pytest.raises(ClusterError, match=r"No Ray cluster can be reached at 127\.0\.0\.1:9: Connection refused"):
        job.run_batch(job.BatchOptions("a.npy", "out", address="127.0.0.1:9"))
    assert not Path("out").exists()


def test_a_folder_with_something_else_in_it_is_left_alone(images):
    np.save("a.npy", images)
    Path("out").mkdir()
    Path("out/notes.txt").write_text("mine")
    with pytest.raises(RunError, match="out is not empty, and nothing is overwritten"):
        job.run_batch(job.BatchOptions("a.npy", "out"))
    with pytest.raises(RunError, match=r"out holds notes.txt, but no batch"):
        job.run_batch(job.BatchOptions("a.npy", "out", resume=True))
    assert sorted(path.name for path in Path("out").iterdir() if path.name != ".lock") == ["notes.txt"]


def test_an_empty_list_leaves_no_folder_behind():
    np.save("a.npy", np.zeros((0, 28, 28), np.uint8))
    with pytest.raises(DataError, match=r"a\.npy holds nothing to read"):
        job.run_batch(job.BatchOptions("a.npy", "out"))
    assert not Path("out").exists()


def test_outcomes_that_are_no_text_become_text():
    table = output.tabulate_results([result.ReadResult("a\udcff.png", None, "a\udcff.png is gone.")], 10)
    assert table["source"].to_pylist() == ["a?.png"]
    assert table["error"].to_pylist() == ["a?.png is gone."]
    assert not parts(Path())
