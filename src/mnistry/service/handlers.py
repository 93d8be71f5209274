"""The handlers of a worker's jobs: pictures and images in, JSON out."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mnistry.constants import IMAGE_SIZE as SIDE
from mnistry.errors import PictureError, UsageError
from mnistry.ocr import explain as explanation
from mnistry.ocr.explain import MOST_DIGITS
from mnistry.service import corrections, uploads
from mnistry.service.messages import JSON

if TYPE_CHECKING:
    from mnistry.ocr.image_io import Picture
    from mnistry.ocr.recognizer import Recognizer
    from mnistry.ocr.result import Digit

MARGIN = 0.2  # around a digit, as people cut one out: a part of its longer side
MOST_SHOWN = 480  # pixels of a side of the pictures of steps
EXPECTED = 'a batch is uint8 (n, 28, 28), 0–255, ink bright on black: n times 784 bytes, or JSON {"images": [...]}'


def read(
    recognizer: Recognizer,
    body: bytes,
    *,
    name: str = "",
    content_type: str = "",
    packed: bool = False,
    single: bool = False,
    images: bool = False,
    explain: bool = False,
    steps: bool = False,
    page: int = 1,
) -> dict[str, Any]:
    """Read a picture, or the one in a form or in JSON, by its content type; perhaps packed, by gzip or zlib.

    The other options are those of `schemas.ReadOptions`.

    Returns:
        The object that `mnistry read --json` prints, and `pages` where the file has several. With `images`, `explain`
        or `steps`, each digit has `image`, `digitness` and `is_digit` too; with `explain` also `heat` and `naive`; with
        `steps` each digit and the whole have `steps`.

    Raises:
        UsageError: the body is a form or JSON without a picture.
        PictureError: the picture is damaged, too large, or not a picture.
    """
    from mnistry.ocr.image_io import open_image, page_count

    content, file_name = uploads.extract_picture(body, content_type, packed=packed)
    name = name or file_name or "picture"
    if not content:
        raise PictureError(f"{name} is empty: it has 0 bytes.")
    reading = recognizer.read(content, single=single, name=name, page=page)
    answer = reading.as_json()
    if (pages := page_count(content)) > 1:
        answer["pages"] = pages
    if images or explain or steps:
        for shown, digit in zip(answer["digits"], reading.digits, strict=True):
            shown |= _seen(recognizer, digit)
    if explain or steps:
        picture = open_image(content, name, page=page)
        explained = reading.digits[:MOST_DIGITS]
        if explain:
            _explain(recognizer, picture, explained, answer)
        if steps:
            _show_steps(picture, explained, answer)
    return answer


def predict(recognizer: Recognizer, body: bytes, *, media_type: str) -> dict[str, Any]:
    """Classify a batch of images, whose media type is `JSON` or `BYTES`.

    Raises:
        UsageError: the body is not a batch of images.
    """
    images = _from_json(body) if media_type == JSON else _from_bytes(body)
    answers = recognizer.predict_all(images)
    return {
        "digits": answers.digits.tolist(),
        "probabilities": answers.probabilities.tolist(),
        "digitness": answers.digitness.tolist(),
        "is_digit": answers.is_digit.tolist(),
        "sure": answers.sure.tolist(),
    }


def correct(_: Recognizer, body: bytes, *, folder: str) -> dict[str, Any]:
    """Keep an image with its right label in a folder of corrections, which is made if it is not there.

    The body is JSON with `image`, 28 rows of 28 numbers from 0 to 255, and `label`, 0 to 9.

    Raises:
        UsageError: the body is something else.
    """
    try:
        given = json.loads(body)
        image, label = np.array(given["image"]), given["label"]
        whole = image.shape == (SIDE, SIDE) and image.dtype.kind in "iu"
        right = set(given) == {"image", "label"} and whole and image.min() >= 0 and image.max() <= 255
    except (ValueError, RecursionError, KeyError, TypeError):
        right, label = False, None
    if not right or type(label) is not int or not 0 <= label <= 9:
        raise UsageError('A correction is JSON {"image": 28 rows of 28 numbers from 0 to 255, "label": 0 to 9}.')
    corrections.keep(Path(folder), image.astype(np.uint8), label)
    return {"label": label, "digits": [label]}


HANDLERS: Mapping[str, Callable[..., dict[str, Any]]] = {"read": read, "predict": predict, "correct": correct}


def _seen(recognizer: Recognizer, digit: Digit) -> dict[str, Any]:
    is_digit = np.float32(digit.digitness) >= np.float32(recognizer.info.digit_threshold)  # as `predict_all` has it
    return {"image": digit.image.tolist(), "digitness": digit.digitness, "is_digit": bool(is_digit)}


def _explain(recognizer: Recognizer, picture: Picture, digits: Sequence[Digit], answer: dict[str, Any]) -> None:
    """Add to digits their heat maps, and the answers to the same part of the picture when it is only resized."""
    images = np.array([digit.image for digit in digits], np.uint8).reshape(-1, SIDE, SIDE)
    maps = explanation.heat(recognizer, images, [digit.digit for digit in digits])
    alone = len(answer["digits"]) == 1
    naive = explanation.naive(recognizer, [picture.pixels if alone else _cut(picture, digit) for digit in digits])
    found = naive.predictions
    for number, (shown, heat) in enumerate(zip(answer["digits"], maps, strict=False)):
        shown["heat"] = np.round(heat.astype(np.float64), 3).tolist()
        shown["naive"] = [
            {
                "how": how,
                "image": naive.images[i].tolist(),
                "digit": int(found.digits[i]),
                "probability": float(found.probabilities[i].max()),
                "probabilities": found.probabilities[i].tolist(),
                "digitness": float(found.digitness[i]),
                "is_digit": bool(found.is_digit[i]),
                "sure": bool(found.sure[i]),
            }
            for i, how in ((2 * number, explanation.RESIZED), (2 * number + 1, explanation.INVERTED))
        ]


def _show_steps(picture: Picture, digits: Sequence[Digit], answer: dict[str, Any]) -> None:
    """Add the steps from the picture to the digits, as PNG in base64."""
    steps = explanation.steps(picture.pixels)
    answer["steps"] = [{"name": name, "png": _png(image)} for name, image in steps.items()]
    ink = replace(picture, pixels=steps["ink"])
    for shown, digit in zip(answer["digits"], digits, strict=False):
        parts = {"cut": _cut(ink, digit), "image": digit.image}
        shown["steps"] = [{"name": name, "png": _png(image)} for name, image in parts.items()]


def _cut(picture: Picture, digit: Digit) -> np.ndarray:
    """The part of a picture around a digit, with a margin."""
    height, width = picture.pixels.shape[:2]
    across, down = width / picture.size[0], height / picture.size[1]
    x, y, box_width, box_height = digit.box
    room = MARGIN * max(box_width, box_height)
    left, right = (x - room) * across, (x + box_width + room) * across
    top, bottom = (y - room) * down, (y + box_height + room) * down
    return picture.pixels[max(0, int(top)) : max(1, int(bottom) + 1), max(0, int(left)) : max(1, int(right) + 1)]


def _png(image: np.ndarray) -> str:
    from PIL import Image

    shown, content = Image.fromarray(image), io.BytesIO()
    shown.thumbnail((MOST_SHOWN, MOST_SHOWN))
    shown.save(content, "PNG")
    return base64.b64encode(content.getvalue()).decode()


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
    if array.shape[1:] in ((SIDE**2,), (SIDE, SIDE, 1)):
        array = array.reshape(-1, SIDE, SIDE)
    whole = array.dtype.kind in "iu" and array.shape[-2:] == (SIDE, SIDE) and array.ndim in (2, 3)
    if not whole or array.size == 0 or array.min() < 0 or array.max() > 255:
        raise UsageError(f"`images` must be n × 28 × 28 whole numbers from 0 to 255; {EXPECTED}.")
    return array.astype(np.uint8).reshape(-1, SIDE, SIDE)
