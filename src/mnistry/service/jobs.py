"""The jobs that the server gives to its reading processes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

JSON, BYTES, FORM = "application/json", "application/octet-stream", "multipart/form-data"
DONE, UNREADABLE, FAILED, NO_MEMORY = 200, 422, 500, 503


@dataclass(frozen=True)
class Read:
    """Read a picture.

    Attributes:
        name: name of the picture in the answer and in errors; None takes a form's file name, or "picture".
        content_type: Content-Type of the body: it may be a form or JSON with the picture in it.
        packed: whether the body is packed, by gzip or zlib.
        single: the picture shows one digit.
        images: give each digit's image too, as the network sees it.
        explain: give heat maps, and the answers to the digits only resized.
        steps: give pictures of the steps too.
        page: the page of a PDF or TIFF file, from 1.
    """

    name: str | None = None
    content_type: str = ""
    packed: bool = False
    single: bool = False
    images: bool = False
    explain: bool = False
    steps: bool = False
    page: int = 1


@dataclass(frozen=True)
class Predict:
    """Classify a batch of images, whose `media_type` is `JSON` or `BYTES`."""

    media_type: str


@dataclass(frozen=True)
class Correct:
    """Keep an image with its right label in the `folder` of corrections."""

    folder: str


Job = Read | Predict | Correct
KINDS: dict[str, type[Job]] = {"read": Read, "predict": Predict, "correct": Correct}


def as_json(job: Job) -> dict[str, Any]:
    """A job in JSON's types."""
    return {"kind": type(job).__name__.lower(), **dataclasses.asdict(job)}


def from_json(content: Mapping[str, Any]) -> Job:
    """The job that `as_json` made this of."""
    fields = dict(content)
    return KINDS[fields.pop("kind")](**fields)
