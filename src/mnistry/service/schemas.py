"""What the service takes and gives, in the words of its OpenAPI description."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from mnistry.service import problem_details

MEDIA_TYPES = ("png", "jpeg", "webp", "bmp", "gif", "tiff", "x-portable-pixmap", "avif", "heic")  # `pictures.FORMATS`
Probability = Annotated[float, Field(ge=0, le=1)]
Byte = Annotated[int, Field(ge=0, le=255)]
Image = Annotated[
    list[Annotated[list[Byte], Field(min_length=28, max_length=28)]],
    Field(min_length=28, max_length=28, description="28 rows of 28 numbers, ink bright on black"),
]

DESCRIPTION = """\
Pictures of handwritten digits to text, with calibrated probabilities. Nothing is kept of what is sent.

Errors are problem details (RFC 9457); `detail` is one sentence. A request with status 503 may be sent again after the
seconds in `Retry-After`.
"""


class ReadOptions(BaseModel):
    """The query of `POST /api/read`."""

    model_config = ConfigDict(extra="forbid")

    single: bool = Field(False, description="The picture shows one digit; all of its ink belongs to it.")
    images: bool = Field(False, description="Give each digit's `image`, `digitness` and `is_digit` too.")
    explain: bool = Field(
        False, description="Give each digit's `heat` too, and what the same network says of the picture only resized."
    )
    name: str = Field("picture", max_length=200, description="What to call the picture in `source` and in errors.")


class NoOptions(BaseModel):
    """A query without anything in it."""

    model_config = ConfigDict(extra="forbid")


class Digit(BaseModel):
    """One recognised digit."""

    digit: int = Field(description="The most probable class.", ge=0)
    probability: Probability = Field(description="Its calibrated probability.")
    probabilities: list[Probability] = Field(description="One for each class; they add up to 1.")
    box: list[int] = Field(
        description="x, y, width and height in the picture's pixels, upright as its EXIF data say.",
        min_length=4,
        max_length=4,
    )
    sure: bool = Field(description="Whether it is a digit at all and its probability reaches the model's threshold.")
    image: Image | None = Field(None, description="What the network saw; with `images` or `explain`.")
    digitness: Probability | None = Field(None, description="How much it looks like a digit at all; likewise.")
    is_digit: bool | None = Field(None, description="Whether that reaches the model's threshold; likewise.")
    heat: list[list[float]] | None = Field(
        None,
        description="28 rows of 28 numbers: the log-odds that the answer loses without the ink around each pixel. "
        "With `explain`, for the first 40 digits.",
    )


class Naive(BaseModel):
    """A picture that was only resized, as the same network reads it."""

    how: str = Field(description="`resized` or `resized and inverted`.")
    image: Image
    digit: int
    probability: Probability
    probabilities: list[Probability]
    digitness: Probability
    sure: bool


class Reading(BaseModel):
    """All digits of a picture."""

    source: str = Field(description="What the picture is called.")
    text: str = Field(description="What a person would type; empty if there is no digit.")
    digits: list[Digit] = Field(description="In reading order.")
    error: None = Field(description="Always null here: a picture that cannot be read is answered with a problem.")
    naive: list[Naive] | None = Field(None, description="With `explain`.")


class Batch(BaseModel):
    """Images in MNIST's form."""

    model_config = ConfigDict(extra="forbid")

    images: Annotated[list[Image], Field(min_length=1)] | Image = Field(description="n images, or one.")


class Answers(BaseModel):
    """What the model says of n images."""

    digits: list[int] = Field(description="The most probable class of each.")
    probabilities: list[list[Probability]] = Field(description="For each image one for each class.")
    digitness: list[Probability] = Field(description="How much each looks like a digit at all.")
    is_digit: list[bool] = Field(description="Whether that reaches the model's threshold.")
    sure: list[bool] = Field(description="Whether it is a digit and the probability reaches the model's threshold.")


class Model(BaseModel):
    """What the model says of itself."""

    name: str
    recipe: str
    class_names: list[str]
    temperature: float
    sure_threshold: float
    digit_threshold: float
    version: str = Field(description="Of mnistry, when the model was exported.")
    licence: str
    details: dict[str, Any] = Field(description="Config, data digests, figures, and what else there is to tell.")


class Status(BaseModel):
    """How the server is."""

    status: str


class ProblemDetails(BaseModel):
    """An error (RFC 9457)."""

    type: str = Field(description="Always about:blank: `status` says what kind of problem it is.")
    title: str = Field(description="The status in words.")
    status: int
    detail: str = Field(description="What happened, what was expected, and one thing to do.")


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What FastAPI is told about the errors of an operation."""
    meanings = {
        403: "A page of another origin sent it, which was not allowed.",
        404: "There is no such thing.",
        408: "The body came too slowly.",
        413: "The body is too large.",
        415: "The body is a form.",
        421: "The server is not called what the Host header says.",
        422: "The picture, the batch or the query makes no sense.",
        503: "There is too much to do, or the server starts or stops.",
    }
    return {status: {"model": ProblemDetails, "description": meanings[status]} for status in statuses}


def picture_body() -> dict[str, Any]:
    """The OpenAPI description of a body that is a picture."""
    schema = {"schema": {"type": "string", "format": "binary"}}
    kinds = [*(f"image/{kind}" for kind in MEDIA_TYPES), "application/octet-stream"]
    text = "The picture's bytes. They tell what kind it is; the Content-Type may be left out."
    content = dict.fromkeys(kinds, schema)
    return {"requestBody": {"required": True, "description": text, "content": content}}


def batch_body() -> dict[str, Any]:
    """The OpenAPI description of a body that is a batch of images."""
    content = {
        "application/json": {"schema": Batch.model_json_schema(ref_template="#/components/schemas/{model}")},
        "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
    }
    text = "uint8 (n, 28, 28), ink bright on black: as JSON, or n times 784 bytes."
    return {"requestBody": {"required": True, "description": text, "content": content}}


def with_problem_type(description: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """An OpenAPI description in which errors have the type of problem details."""
    for operations in description["paths"].values():
        for operation in operations.values():
            for status, response in operation["responses"].items():
                if int(status) >= 400:
                    response["content"] = {problem_details.MEDIA_TYPE: response["content"]["application/json"]}
    return description
