"""The work of a reading process: pictures and images in, JSON out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mnistry.errors import PictureError, UsageError
from mnistry.ocr import explain
from mnistry.service import uploads
from mnistry.service.jobs import JSON, Predict, Read

if TYPE_CHECKING:
    from mnistry.ocr.recognizer import Recognizer
    from mnistry.ocr.result import Digit

SIDE = 28
EXPECTED = 'a batch is uint8 (n, 28, 28), 0–255, ink bright on black: n times 784 bytes, or JSON {"images": [...]}'


def read(recognizer: Recognizer, body: bytes, job: Read) -> dict[str, Any]:
    """Read a picture.

    Returns:
        The object that `mnistry read --json` prints. With `images` or `explain`, each digit has `image`, `digitness`
        and `is_digit` too; with `explain` also `heat`, and the whole has `naive`.

    Raises:
        UsageError: the body is a form or JSON without a picture.
        PictureError: the picture is damaged, too large, or not a picture.
    """
    from mnistry.ocr.pipeline import read as read_picture

    content, file_name = uploads.picture_in(body, job.content_type)
    name = job.name or file_name or "picture"
    if not content:
        raise PictureError(f"{name} is empty: it has 0 bytes.")
    reading = read_picture(recognizer, content, single=job.single, name=name)
    answer = reading.as_json()
    if job.images or job.explain:
        for shown, digit in zip(answer["digits"], reading.digits, strict=True):
            shown |= _seen(recognizer, digit)
    if job.explain:
        _explain(recognizer, content, reading.digits, answer)
    return answer


def predict(recognizer: Recognizer, body: bytes, job: Predict) -> dict[str, Any]:
    """Classify a batch of images.

    Args:
        recognizer: the model that answers.
        body: JSON with `images`, or the images' bytes.
        job: which of the two.

    Raises:
        UsageError: the body is not a batch of images.
    """
    images = _from_json(body) if job.media_type == JSON else _from_bytes(body)
    answers = recognizer.predict_all(images)
    return {
        "digits": answers.digits.tolist(),
        "probabilities": answers.probabilities.tolist(),
        "digitness": answers.digitness.tolist(),
        "is_digit": answers.is_digit.tolist(),
        "sure": answers.sure.tolist(),
    }


def _seen(recognizer: Recognizer, digit: Digit) -> dict[str, Any]:
    is_digit = bool(np.float32(digit.digitness) >= np.float32(recognizer.info.digit_threshold))  # as `answer` has it
    return {"image": digit.image.tolist(), "digitness": digit.digitness, "is_digit": is_digit}


def _explain(recognizer: Recognizer, content: bytes, digits: Sequence[Digit], answer: dict[str, Any]) -> None:
    """Add heat maps to the first digits of an answer, and the naive reading."""
    from mnistry.ocr.image_io import open_image

    explained = digits[: explain.MOST_DIGITS]
    images = np.array([digit.image for digit in explained], np.uint8).reshape(-1, SIDE, SIDE)
    maps = explain.heat(recognizer, images, [digit.digit for digit in explained])
    for shown, heat in zip(answer["digits"], maps, strict=False):
        shown["heat"] = np.round(heat.astype(np.float64), 3).tolist()
    naive = explain.naive(recognizer, open_image(content).pixels)
    answers = naive.answers
    answer["naive"] = [
        {
            "how": how,
            "image": naive.images[i].tolist(),
            "digit": int(answers.digits[i]),
            "probability": float(answers.probabilities[i].max()),
            "probabilities": answers.probabilities[i].tolist(),
            "digitness": float(answers.digitness[i]),
            "sure": bool(answers.sure[i]),
        }
        for i, how in enumerate((explain.RESIZED, explain.INVERTED))
    ]


def _from_bytes(content: bytes) -> np.ndarray:
    if not content or len(content) % SIDE**2:
        raise UsageError(f"The body has {len(content):,} bytes; {EXPECTED}.")
    return np.frombuffer(content, np.uint8).reshape(-1, SIDE, SIDE)


def _from_json(content: bytes) -> np.ndarray:
    """The images in a JSON object, uint8 (n, 28, 28)."""
    try:
        given = json.loads(content)
    except (ValueError, RecursionError) as error:
        reason = getattr(error, "msg", None) or "it is not UTF-8 text, or nested too deeply"
        raise UsageError(f"The body is not valid JSON: {reason}; {EXPECTED}.") from None
    if not isinstance(given, dict) or set(given) != {"images"}:
        raise UsageError(f"The body must be an object with `images` and nothing else; {EXPECTED}.")
    try:
        array = np.array(given["images"])
    except ValueError:  # rows of different lengths
        array = np.empty(0, object)
    whole = array.dtype.kind in "iu" and array.shape[-2:] == (SIDE, SIDE) and array.ndim in (2, 3)
    if not whole or array.size == 0 or array.min() < 0 or array.max() > 255:
        raise UsageError(f"`images` must be n × 28 × 28 whole numbers from 0 to 255; {EXPECTED}.")
    return array.astype(np.uint8).reshape(-1, SIDE, SIDE)
