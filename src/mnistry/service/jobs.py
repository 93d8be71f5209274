"""What the server asks of its reading processes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

JSON, BYTES = "application/json", "application/octet-stream"
DONE, UNREADABLE, FAILED, NO_MEMORY = 200, 422, 500, 503


@dataclass(frozen=True)
class Read:
    """A picture to be read.

    Attributes:
        name: what to call it.
        single: whether it shows one digit.
        images: whether each digit's image, as the network sees it, is wanted.
        explain: whether heat maps and the naive reading are wanted.
    """

    name: str = "picture"
    single: bool = False
    images: bool = False
    explain: bool = False


@dataclass(frozen=True)
class Predict:
    """A batch of images to be answered for.

    Attributes:
        media_type: `JSON` or `BYTES`.
    """

    media_type: str


Job = Read | Predict
KINDS: dict[str, type[Job]] = {"read": Read, "predict": Predict}


def as_json(job: Job) -> dict[str, Any]:
    """A job as it goes through a pipe."""
    return {"kind": type(job).__name__.lower(), **dataclasses.asdict(job)}


def from_json(content: Mapping[str, Any]) -> Job:
    """And back."""
    fields = dict(content)
    return KINDS[fields.pop("kind")](**fields)
