from __future__ import annotations

import gzip
import struct
import tracemalloc
from collections import Counter

import numpy as np
import pytest

from mnistry.datasets.formats import idx
from mnistry.errors import DataError
from mnistry.runtime.file_signatures import GZIP

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.integers(0, 256, (3, 28, 28), dtype=np.uint8)
LABELS = np.array([7, 0, 9], np.uint8)
EXTREMES = (0, 1, 27, 28, 2**16, 2**31 - 1, 2**31, 2**32 - 1)


def packed(array: np.ndarray) -> bytes:
    return header(*array.shape) + array.tobytes()


def header(*shape: int, kind: int = 8) -> bytes:
    return struct.pack(f">2x2B{len(shape)}I", kind, len(shape), *shape)


def peak_bytes_of_failing(payload: bytes, match: str) -> int:
    """Measure the peak memory while this payload is refused."""
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=match):
            idx.parse(idx.unpack(payload, "f"), "f")
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_images_from_bytes_written_by_hand() -> None:
    payload = b"\0\0\x08\x03\0\0\0\x02\0\0\0\x01\0\0\0\x03\x01\x02\x03\xff\x00\x80"
    images = idx.parse(payload, "f")
    assert images.dtype == np.uint8
    assert images.tolist() == [[[1, 2, 3]], [[255, 0, 128]]]


def test_labels_from_bytes_written_by_hand() -> None:
    labels = idx.parse(b"\0\0\x08\x01\0\0\0\x04\x05\x00\x04\x09", "f")
    assert labels.dtype == np.uint8
    assert labels.tolist() == [5, 0, 4, 9]


@pytest.mark.parametrize("array", [IMAGES, LABELS], ids=["images", "labels"])
@pytest.mark.parametrize("level", [None, 0, 9], ids=["plain", "stored", "compressed"])
def test_round_trip(array: np.ndarray, level: int | None) -> None:
    payload = packed(array) if level is None else gzip.compress(packed(array), level)
    read = idx.parse(idx.unpack(payload, "f"), "f")
    np.testing.assert_array_equal(read, array)
    assert read.dtype == np.uint8


def test_arrays_are_read_only() -> None:
    images = idx.parse(packed(IMAGES), "f")
    with pytest.raises(ValueError, match="read-only"):
        images[0, 0, 0] = 1


@pytest.mark.parametrize(
    ("payload", "sentence"),
    [
        (header(3, kind=10) + LABELS.tobytes(), "^f is not an IDX file: it begins with 00 00 0a 01.$"),
        (b"<!DOCTYPE html><title>Sign in</title>", r"not an IDX file.*\(a web page\)"),
        (b"\r\n  <html><body>404 Not Found</body>", r"not an IDX file.*\(a web page\)"),
        (b"", "not an IDX file: it begins with nothing"),
        (b"\0\0\x08\0\5", "^f is not an IDX file: it begins with 00 00 08 00"),
        (packed(IMAGES)[:15], "too short: expected a header of 16 bytes, received 15 bytes"),
        (packed(LABELS)[:7], "too short: expected a header of 8 bytes, received 7 bytes"),
        (packed(IMAGES)[:16], r"cut short: its header promises 2,352 bytes for uint8 \(3, 28, 28\), received 0"),
        (packed(IMAGES)[:-1], "cut short: its header promises 2,352 bytes .* received 2,351. Fetch it again"),
        (packed(LABELS)[:-2], "cut short: its header promises 3 bytes .* received 1"),
        (packed(IMAGES) + b"\0", "has 1 bytes too many: its header promises 2,352 bytes .* received 2,353"),
        (packed(LABELS) + bytes(9), "has 9 bytes too many"),
    ],
)
def test_what_is_no_such_file(payload: bytes, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        idx.parse(payload, "f")


@pytest.mark.parametrize("shape", [(2**32 - 1, 28, 28), (60_000, 2**32 - 1, 2**32 - 1), (2**32 - 1,) * 3])
def test_an_absurd_promise_takes_no_memory(shape: tuple[int, ...]) -> None:
    assert peak_bytes_of_failing(header(*shape) + bytes(1000), "cut short: its header promises") < 100_000


@pytest.mark.parametrize("shape", [(2**32 - 1, 0, 2**32 - 1), (0, 2**32 - 1, 2**32 - 1), (2**32 - 1, 2**32 - 1, 0)])
def test_a_promise_of_nothing_in_absurd_dimensions(shape: tuple[int, ...]) -> None:
    """No values in all, yet NumPy refuses such a shape: that must not come through as a bare ValueError."""
    with pytest.raises(DataError, match=r"^f "):
        idx.parse(header(*shape), "f")


@pytest.mark.parametrize("kept", [2, 9, 10, 100, -9, -8, -1])
def test_a_gzip_cut_short(kept: int) -> None:
    whole = gzip.compress(packed(IMAGES))
    with pytest.raises(DataError, match=r"^f is cut short: its gzip stream ends after .* bytes. Fetch it again"):
        idx.unpack(whole[:kept], "f")


@pytest.mark.parametrize("position", [2, 100, 1500, -6, -2], ids=["method", "early", "late", "checksum", "size"])
def test_a_gzip_with_one_byte_changed(position: int) -> None:
    damaged = bytearray(gzip.compress(packed(IMAGES)))
    damaged[position] ^= 0x55
    with pytest.raises(DataError, match=r"^f is damaged: it cannot be unpacked .*Fetch it again"):
        idx.unpack(bytes(damaged), "f")


def test_garbage_after_a_gzip() -> None:
    with pytest.raises(DataError, match=r"^f has 7 bytes too many after its gzip stream"):
        idx.unpack(gzip.compress(packed(LABELS)) + b"garbage", "f")


@pytest.mark.parametrize("content", [bytes(1001), bytes(10**6), RANDOM.bytes(1001)], ids=["one", "many", "dense"])
def test_a_gzip_that_unpacks_to_too_much(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idx, "MAX_BYTES", 1000)
    with pytest.raises(DataError, match=r"^f unpacks to more than 1,000 bytes"):
        idx.unpack(gzip.compress(content), "f")


def test_a_gzip_that_unpacks_to_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idx, "MAX_BYTES", 1000)
    assert idx.unpack(gzip.compress(bytes(1000)), "f") == bytes(1000)


def test_a_gzip_bomb_takes_no_more_memory_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = gzip.compress(header(2**16, 28, 28) + bytes(2**16 * 28 * 28))
    monkeypatch.setattr(idx, "MAX_BYTES", 10**6)
    assert peak_bytes_of_failing(bomb, "unpacks to more than 1,000,000 bytes") < 3 * 10**6


def mutated(payload: bytes, random: np.random.Generator) -> bytes:
    """The payload with one to three small accidents."""
    changed = bytearray(payload)
    for _ in range(random.integers(1, 4)):
        position = int(random.integers(0, max(1, len(changed))))
        match random.integers(0, 6):
            case 0:
                del changed[position:]
            case 1:
                del changed[position : position + int(random.integers(1, 9))]
            case 2:
                changed[position:position] = random.bytes(int(random.integers(1, 9)))
            case 3:
                changed[position : position + 1] = random.bytes(1)
            case 4:  # somewhere in the header, where it hurts most
                changed[position % 16 : position % 16 + 1] = random.bytes(1)
            case _:
                field = 4 * int(random.integers(1, 4))
                changed[field : field + 4] = struct.pack(">I", random.choice(EXTREMES))
    return bytes(changed)


def array_or_refusal(payload: bytes) -> np.ndarray | str:
    try:
        return idx.parse(idx.unpack(payload, "f"), "f")
    except DataError as error:
        return str(error)


@pytest.mark.parametrize("array", [IMAGES, LABELS], ids=["images", "labels"])
@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "gzip"])
def test_accidents_are_either_harmless_or_a_data_error(array: np.ndarray, compressed: bool) -> None:
    whole = gzip.compress(packed(array), mtime=0) if compressed else packed(array)
    random = np.random.default_rng(1)
    outcomes: Counter[str] = Counter()
    for _ in range(3000):
        payload = mutated(whole, random)
        read = array_or_refusal(payload)
        if isinstance(read, str):
            assert read.startswith("f ")
            outcomes["refused"] += 1
        else:
            if read.dtype == np.uint8:
                assert packed(read) == idx.unpack(payload, "f")  # shape and values are what the bytes say
            if payload.startswith(GZIP):
                np.testing.assert_array_equal(read, array)  # gzip's checksum lets no change of the content through
            outcomes["read"] += 1
    assert outcomes["refused"] > 1000
    assert outcomes["read"] > 10


@pytest.mark.parametrize(
    ("payload", "sentence"),
    [
        (b"\0\0\x0c\x02", "too short"),
        (struct.pack(">III", 0x0C02, 2, 8) + bytes(63), "cut short"),
        (struct.pack(">III", 0x0C02, 2**31, 8), "cut short"),
        (struct.pack(">III", 0x0C02, 2, 7) + bytes(56), "not an IDX file of rows of 8 numbers"),
        (struct.pack(">III", 0x0C02, 1, 8) + struct.pack(">8i", 256, *range(7)), "out of range: expected 0 to 255"),
        (struct.pack(">III", 0x0C02, 1, 8) + struct.pack(">8i", -1, *range(7)), "out of range: expected 0 to 255"),
    ],
)
def test_labels_of_rows_are_not_trusted(payload: bytes, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        idx.parse_labels(payload, "f")


def test_labels_of_rows_are_the_first_of_eight_numbers() -> None:
    rows = struct.pack(">III", 0x0C02, 2, 8) + struct.pack(">16i", 7, *range(7), 255, *range(-7, 0))
    assert idx.parse_labels(rows, "f").tolist() == [7, 255]
