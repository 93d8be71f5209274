"""The facts in a model file: written and read back, and every wrong fact named."""

from __future__ import annotations

import json

import pytest

from mnistry.models.metadata import FORMAT, ModelMetadata

INFO = ModelMetadata(
    name="mine",
    recipe="strong",
    class_names=("0", "1", "여덟"),
    temperature=1.25,
    sure_threshold=0.75,
    digit_threshold=0.5,
    version="1.2.3",
    licence="MIT",
    details={"test": {"n": 10, "errors": 1}, "note": "ünïcode"},
)


def changed(**facts: object) -> str:
    return json.dumps(json.loads(INFO.to_json()) | facts)


def test_facts_come_back_as_they_were():
    assert ModelMetadata.from_json(INFO.to_json()) == INFO


def test_what_may_be_left_out_has_the_default():
    info = ModelMetadata.from_json(
        json.dumps({"format": FORMAT, "name": "a", "recipe": "b", "class_names": ["x", "y"]})
    )
    assert info == ModelMetadata("a", "b", ("x", "y"))
    assert (info.temperature, info.sure_threshold, info.digit_threshold, info.second_look) == (1.0, 0.9, 0.0, 0.0)


def test_facts_of_a_later_version_are_passed_over():
    assert ModelMetadata.from_json(changed(colour="blue")) == INFO


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "Expecting value"),
        ("[1]", "its facts are not a JSON object"),
        ("[" * 100_000, "nested too deeply"),
        (changed(format=2), "its facts have format 2 and this version reads format 1"),
        (changed(format=None), "its facts have format None"),
        (json.dumps({"format": FORMAT, "name": "a"}), "its facts lack recipe and class_names"),
        (changed(name=5), "name must be printable text of at most 200; received 5"),
        (changed(name="\x1b[31m"), r"name must be printable text of at most 200; received '\\x1b\[31m'"),
        (changed(recipe="a\nb"), "recipe must be printable"),
        (changed(licence="x" * 201), "licence must be printable text of at most 200"),
        (changed(class_names=["1", "\x07"]), "class_names must be"),
        (
            changed(class_names="0123456789"),
            "class_names must be 2 to 1000 different printable words; received '0123456789'",
        ),
        (changed(class_names=["1", 2]), "class_names must be 2 to 1000 different printable words"),
        (changed(class_names=["1", "1"]), "class_names must be"),
        (changed(class_names=["1"]), "class_names must be"),
        (changed(class_names=[""] * 2), "class_names must be"),
        (changed(class_names=[str(number) for number in range(1001)]), "class_names must be"),
        (changed(temperature=0), "temperature must be a number larger than 0; received 0"),
        (changed(temperature="1"), "temperature must be a number larger than 0; received '1'"),
        (changed(temperature=True), "temperature must be"),
        (INFO.to_json().replace("1.25", "NaN"), "temperature must be"),
        (INFO.to_json().replace("1.25", "1e999"), "temperature must be"),
        (changed(sure_threshold=2.1), "sure_threshold must be a number from 0 to 2; received 2.1"),
        (changed(digit_threshold=-0.1), "digit_threshold must be a number from 0 to 2; received -0.1"),
        (changed(second_look=1.1), "second_look must be a number from 0 to 1; received 1.1"),
        (changed(details={"loss": float("nan")}), "not JSON compliant"),
        (changed(details=[]), r"details must be a JSON object; received \[\]"),
    ],
)
def test_a_wrong_fact_is_named(text, sentence):
    with pytest.raises(ValueError, match=sentence):
        ModelMetadata.from_json(text)


def test_a_nan_in_the_details_is_not_written():
    with pytest.raises(ValueError, match="not JSON compliant"):
        ModelMetadata("a", "b", ("x", "y"), details={"loss": float("nan")}).to_json()
