from __future__ import annotations

import hashlib
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mnistry.errors import RunError
from mnistry.training import checkpoints
from mnistry.training.checkpoints import Checkpoint

VALUES = [np.arange(6, dtype=np.float32).reshape(2, 3), np.array(7, np.int32), np.array([1, 2], np.uint32)]


def kept(epoch: int) -> Checkpoint:
    values = [value + np.asarray(epoch, value.dtype) for value in VALUES]
    records = [{"epoch": number, "loss": 0.5, "seconds": 1.0} for number in range(1, epoch + 1)]
    return Checkpoint(epoch, values, records, {"data": {"x": "ab"}, "versions": {"jax": "1"}})


def assert_same(found: Checkpoint | None, expected: Checkpoint) -> None:
    assert found is not None
    assert (found.epoch, found.records, found.identity) == (expected.epoch, expected.records, expected.identity)
    for a, b in zip(found.values, expected.values, strict=True):
        assert a.dtype == b.dtype
        assert a.shape == b.shape
        assert np.array_equal(a, b)


def no_warning(text: str) -> None:
    pytest.fail(text)


def test_what_was_written_comes_back(tmp_path: Path) -> None:
    checkpoints.write(tmp_path, kept(3))
    assert_same(checkpoints.load_latest(tmp_path, no_warning), kept(3))


def test_more_than_ten_values_keep_their_order(tmp_path: Path) -> None:
    many = replace(kept(1), values=[np.array(number) for number in range(25)])
    checkpoints.write(tmp_path, many)
    assert_same(checkpoints.load_latest(tmp_path, no_warning), many)


def test_without_any_there_is_none(tmp_path: Path) -> None:
    (tmp_path / "checkpoint-x.bin").touch()
    assert checkpoints.load_latest(tmp_path, no_warning) is None


def test_the_last_two_are_kept(tmp_path: Path) -> None:
    for epoch in (8, 9, 10, 11):
        checkpoints.write(tmp_path, kept(epoch))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint-00010.bin", "checkpoint-00011.bin"]
    assert_same(checkpoints.load_latest(tmp_path, no_warning), kept(11))


@pytest.mark.parametrize("damage", ["truncated", "flipped", "emptied", "text", "header only"])
def test_a_damaged_one_falls_back_to_the_one_before_and_says_so(damage: str, tmp_path: Path) -> None:
    checkpoints.write(tmp_path, kept(1))
    checkpoints.write(tmp_path, kept(2))
    path = tmp_path / "checkpoint-00002.bin"
    payload = path.read_bytes()
    spoilt = {
        "truncated": payload[:-1],
        "flipped": payload[:-100] + bytes([payload[-100] ^ 1]) + payload[-99:],
        "emptied": b"",
        "text": b"not a checkpoint",
        "header only": payload.split(b"\n")[0] + b"\n",
    }[damage]
    path.write_bytes(spoilt)
    told: list[str] = []
    assert_same(checkpoints.load_latest(tmp_path, told.append), kept(1))
    assert len(told) == 1
    assert "checkpoint-00002.bin is damaged and was passed over" in told[0]


def test_every_single_byte_counts(tmp_path: Path) -> None:
    checkpoints.write(tmp_path, kept(1))
    path = tmp_path / "checkpoint-00001.bin"
    payload = path.read_bytes()
    for position in range(0, len(payload), 7):
        path.write_bytes(payload[:position] + bytes([payload[position] ^ 0x80]) + payload[position + 1 :])
        with pytest.raises(RunError):
            checkpoints.load_latest(tmp_path, lambda _: None)


def test_with_none_that_can_be_read_it_is_an_error(tmp_path: Path) -> None:
    for epoch in (1, 2):
        checkpoints.write(tmp_path, kept(epoch))
        (tmp_path / f"checkpoint-0000{epoch}.bin").write_bytes(b"")
    with pytest.raises(RunError, match=r"None of the checkpoints in .* can be read\. Start the training anew"):
        checkpoints.load_latest(tmp_path, lambda _: None)


IDENTITY = b'"identity": {"data": {}, "versions": {}}}'


@pytest.mark.parametrize(
    "notes",
    [
        b"[]",
        b"5",
        b'{"epoch": "x", "records": [], "identity": {}}',
        b'{"epoch": 1, "records": [{"epoch": 1, "loss": [], "seconds": 1}], ' + IDENTITY,
        b'{"epoch": 2, "records": [{"epoch": 1, "loss": 1, "seconds": 1}], ' + IDENTITY,
        b'{"epoch": 0, "records": [], "identity": {"data": 5}}',
        b"[" * 100_000,
    ],
)
def test_what_is_well_formed_and_odd_is_told_as_damage(notes, tmp_path):
    body = io.BytesIO()
    np.savez(body, notes=np.frombuffer(notes, np.uint8))
    digest = hashlib.sha256(body.getvalue()).hexdigest().encode()
    (tmp_path / "checkpoint-00001.bin").write_bytes(checkpoints.HEADER + digest + b"\n" + body.getvalue())
    told: list[str] = []
    with pytest.raises(RunError, match="None of the checkpoints"):
        checkpoints.load_latest(tmp_path, told.append)
    assert "is damaged and was passed over" in told[0]
