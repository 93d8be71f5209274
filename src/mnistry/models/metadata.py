"""The metadata of a model file: written by the export, checked when it is loaded."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

FORMAT = 1
KEY = "mnistry"  # of the ONNX metadata property that holds the JSON
MAX_CLASSES = 1000
MAX_TEXT = 200  # characters
UNSURE = 0.9  # the best probability below which test-time augmentation is used; measured in docs/log.md
SURE_THRESHOLD = 0.9  # of a model for which none was chosen on a validation split
DIGIT_THRESHOLD = 0.0  # likewise: nothing is refused


@dataclass(frozen=True)
class ModelMetadata:
    """The facts that travel with a model.

    Attributes:
        name: what people call it.
        recipe: the recipe that it was trained by.
        class_names: the class of each column of its probabilities.
        temperature: the logits were divided by it before the softmax; fitted on the validation split.
        sure_threshold: an answer is sure when its probability times its digit score is at least this, and it is a
            digit at all; from 0 to 2, where above 1 nothing is sure.
        digit_threshold: an image is taken for a digit when its digit-ness is at least this; likewise.
        second_look: an image whose best probability is below this is looked at again, one pixel to each side, and the
            answers are taken together (`models/classifier.py`); from 0, never, to 1.
        version: of mnistry, when it was exported.
        licence: the terms of the file.
        details: config, data digests, figures, command and what else there is to tell; JSON's types only.
        kind: of its training images: "ink", brought into MNIST's form, or "pictures", made grey and small.
    """

    name: str
    recipe: str
    class_names: tuple[str, ...]
    temperature: float = 1.0
    sure_threshold: float = SURE_THRESHOLD
    digit_threshold: float = DIGIT_THRESHOLD
    second_look: float = 0.0
    version: str = ""
    licence: str = "MIT"
    details: Mapping[str, Any] = field(default_factory=dict)
    kind: str = "ink"

    def __post_init__(self) -> None:
        """Check all fields.

        Raises:
            ValueError: a field is of another type or out of its range; the message names it.
        """
        for name in ("name", "recipe", "version", "licence"):
            _check(name, getattr(self, name), f"printable text of at most {MAX_TEXT}", _is_text(getattr(self, name)))
        classes = self.class_names
        named = isinstance(classes, tuple) and all(_is_text(each) and each for each in classes)
        right = named and 2 <= len(set(classes)) == len(classes) <= MAX_CLASSES
        _check("class_names", classes, f"2 to {MAX_CLASSES} different printable words", right)
        _check("temperature", self.temperature, "a number larger than 0", _is_number(self.temperature, above=0))
        for name in ("sure_threshold", "digit_threshold"):
            value = getattr(self, name)
            _check(name, value, "a number from 0 to 2", _is_number(value) and 0 <= value <= 2)
        again = self.second_look
        _check("second_look", again, "a number from 0 to 1", _is_number(again) and 0 <= again <= 1)
        _check("kind", self.kind, "ink or pictures", self.kind in ("ink", "pictures"))
        _check("details", self.details, "a JSON object", isinstance(self.details, Mapping))

    def to_json(self) -> str:
        """As it is kept in the file.

        Raises:
            ValueError: there is a NaN or an infinity in the details.
        """
        return json.dumps({"format": FORMAT, **self.as_json()}, ensure_ascii=False, allow_nan=False)

    def as_json(self) -> dict[str, Any]:
        """All facts as a JSON object."""
        facts = {each.name: getattr(self, each.name) for each in dataclasses.fields(self)}
        return facts | {"class_names": list(self.class_names), "details": dict(self.details)}

    @classmethod
    def from_json(cls, text: str) -> ModelMetadata:
        """Read it again. Facts that a later version added are passed over; the format's number guards the others.

        Raises:
            ValueError: the text is not what `to_json` writes, or of another format; the message is a clause.
        """
        try:
            content = json.loads(text)
        except RecursionError:
            raise ValueError("its facts are nested too deeply") from None
        except ValueError as error:
            raise ValueError(f"its facts are not JSON: {error}") from None
        if not isinstance(content, dict):
            raise ValueError("its facts are not a JSON object")
        if (found := content.get("format")) != FORMAT:
            raise ValueError(f"its facts have format {found!r:.40} and this version reads format {FORMAT}")
        facts = {each.name: content[each.name] for each in dataclasses.fields(cls) if each.name in content}
        names = facts.get("class_names")
        if missing := [name for name in ("name", "recipe", "class_names") if name not in facts]:
            raise ValueError(f"its facts lack {' and '.join(missing)}")
        made = cls(**{**facts, "class_names": tuple(names) if isinstance(names, list) else names})
        made.to_json()  # a NaN among the details shows here
        return made


def _check(name: str, value: Any, expected: str, right: bool) -> None:
    if not right:
        raise ValueError(f"{name} must be {expected}; received {value!r:.60}")


def _is_text(value: Any) -> bool:
    """Tell whether a text can be printed as it is: no control character of a foreign file may reach a terminal."""
    return isinstance(value, str) and value.isprintable() and len(value) <= MAX_TEXT


def _is_number(value: Any, *, above: float = -math.inf) -> bool:
    try:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value > above
    except OverflowError:  # a whole number too large for a float
        return False
