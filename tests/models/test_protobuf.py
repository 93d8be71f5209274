"""The wire format: what a library writes is read; what breaks off, is garbled or too much is refused."""

from __future__ import annotations

import pytest
from onnx import OperatorSetIdProto, StringStringEntryProto, TensorProto

from mnistry.models.protobuf import BYTES, VARINT, Field, Message

PAIR = {1: Field("key", BYTES), 2: Field("value", BYTES)}
OPSET = {1: Field("domain", BYTES), 2: Field("version", VARINT)}
DIMS = {1: Field("dims", VARINT, most=4), 2: Field("data_type", VARINT)}


def taken_apart(content: bytes, schema: dict[int, Field]) -> Message:
    return Message(memoryview(content), schema)


def test_texts_are_read():
    message = taken_apart(StringStringEntryProto(key="ключ", value="v" * 300).SerializeToString(), PAIR)
    assert (message.text("key"), message.text("value"), message.has("value")) == ("ключ", "v" * 300, True)


@pytest.mark.parametrize("number", [0, 1, 127, 128, 300, 2**31, 2**63 - 1, -1, -(2**63)])
def test_numbers_are_read(number):
    message = taken_apart(OperatorSetIdProto(version=number).SerializeToString(), OPSET)
    assert message.number("version") == number


def test_numbers_that_are_there_several_times_are_read_in_order():
    message = taken_apart(TensorProto(dims=[3, 500, 7]).SerializeToString(), DIMS)
    assert message.numbers("dims") == [3, 500, 7]


def test_what_is_not_there_is_nothing():
    message = taken_apart(b"", OPSET)
    assert (message.text("domain"), message.number("version")) == ("", 0)
    assert (message.has("domain"), bytes(message.bytes("domain")), message.messages("domain", PAIR)) == (False, b"", [])
    assert message.message("domain", OPSET).number("version") == 0


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"\x10", "breaks off or is garbled"),  # a number without its bytes
        (b"\x10\x80\x80", "breaks off or is garbled"),
        (b"\x10" + b"\x80" * 10 + b"\x01", "breaks off or is garbled"),  # a number of eleven bytes
        (b"\x0a", "breaks off or is garbled"),  # text without its length
        (b"\x0a\x05abcd", "breaks off or is garbled"),  # text of five bytes that are four
        (b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "breaks off or is garbled"),  # text of -1 bytes
        (b"\x1a\x00", r"a part that does not belong there \(field 3, kind 2\)"),
        (b"\x12\x00", r"a part that does not belong there \(field 2, kind 2\)"),  # the version as text
        (b"\x0b", r"a part that does not belong there \(field 1, kind 3\)"),  # the old groups
        (b"\x10\x01\x10\x01", "more than 1 of the part version"),
    ],
)
def test_what_is_wrong_is_said(content, sentence):
    with pytest.raises(ValueError, match=sentence):
        taken_apart(content, OPSET)


def test_numbers_packed_together_are_another_kind():
    with pytest.raises(ValueError, match=r"field 1, kind 2"):
        taken_apart(b"\x0a\x02\x01\x02", DIMS)


def test_text_that_is_no_text_is_said_when_it_is_read():
    with pytest.raises(ValueError, match="utf-8"):
        taken_apart(b"\x0a\x01\xff", PAIR).text("key")
