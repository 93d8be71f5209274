"""Requests and answers of the service, as its OpenAPI description shows them."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from mnistry.service import problem_details

MEDIA_TYPES = ("png", "jpeg", "webp", "bmp", "gif", "tiff", "x-portable-pixmap", "avif", "heic")  # `image_io.FORMATS`
Probability = Annotated[float, Field(ge=0, le=1)]
Byte = Annotated[int, Field(ge=0, le=255)]
Image = Annotated[
    list[Annotated[list[Byte], Field(min_length=28, max_length=28)]],
    Field(min_length=28, max_length=28, description="28 rows of 28 numbers, ink bright on black"),
]

DESCRIPTION = """\
Pictures of handwritten digits to text, with calibrated probabilities. Pictures are not kept.

Errors are problem details (RFC 9457); `detail` is one sentence. A request with status 503 may be sent again after the
seconds in `Retry-After`.
"""

EXAMPLE = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAABAAAAAQAQMAAAAlPW0iAAAABlBMVEX///8AAABVwtN+AAAAFElEQVR42mNggAJGxnom"
    "BgZcCA4AFIgAlNTHrIAAAAAASUVORK5CYII="
)
SAMPLES = (
    ("curl", "curl --data-binary @photo.png {server}/api/read"),
    ("curl, a form", "curl -F file=@photo.png {server}/api/read"),
    (
        "Python",
        """import requests

with open("photo.png", "rb") as picture:
    answer = requests.post("{server}/api/read", data=picture, timeout=30)
print(answer.json()["text"])""",
    ),
    (
        "JavaScript, a canvas",
        """const body = canvas.toDataURL("image/png");
const answer = await fetch("{server}/api/read?single=true", { method: "POST", body });
const { text, digits } = await answer.json();""",
    ),
    ("JSON", """curl --json '{"image": "iVBORw0KGgo..."}' {server}/api/read"""),
)  # {server} becomes the address of the service


class ReadOptions(BaseModel):
    """The query of `POST /api/read`."""

    model_config = ConfigDict(extra="forbid")

    single: bool = Field(False, description="The picture shows one digit; all of its ink belongs to it.")
    images: bool = Field(False, description="Give each digit's `image`, `digitness` and `is_digit` too.")
    explain: bool = Field(
        False, description="Give each digit's `heat` too, and the same network's answer to the picture only resized."
    )
    steps: bool = Field(False, description="Give the steps from the picture to the digits as pictures.")
    page: int = Field(1, ge=1, le=999_999, description="The page of a PDF or TIFF file.")
    name: str = Field(
        "",
        max_length=200,
        description='Name of the picture in `source` and in errors. Left out: the file name of a form, or "picture".',
        examples=["photo.png"],
    )


class NoOptions(BaseModel):
    """An empty query."""

    model_config = ConfigDict(extra="forbid")


class Naive(BaseModel):
    """The same network's answer to the digit's part of the picture, only resized."""

    how: str = Field(description="`resized` or `resized and inverted`.")
    image: Image
    digit: int
    probability: Probability
    probabilities: list[Probability]
    digitness: Probability
    is_digit: bool
    sure: bool


class Step(BaseModel):
    """A step from the picture to a digit, as a picture."""

    name: str = Field(description="`picture`, `paper`, `ink`, `cut` or `image`.")
    png: str = Field(description="PNG in base64.")


class Digit(BaseModel):
    """One recognised digit."""

    digit: int = Field(description="The most probable class.", ge=0)
    probability: Probability = Field(description="Its calibrated probability.")
    probabilities: list[Probability] = Field(description="One for each class; they add up to 1.")
    box: list[int] = Field(
        description="x, y, width and height in the picture's pixels, upright by its EXIF data.",
        min_length=4,
        max_length=4,
    )
    sure: bool = Field(description="It looks like a digit, and its probability reaches the model's threshold.")
    image: Image | None = Field(None, description="The image that the network saw; with `images` or `explain`.")
    digitness: Probability | None = Field(None, description="How much it looks like a digit at all, 0 to 1; likewise.")
    is_digit: bool | None = Field(None, description="That reaches the model's threshold; likewise.")
    heat: list[list[float]] | None = Field(
        None,
        description="28 rows of 28 numbers: the log-odds that the answer loses without the ink around each pixel. "
        "With `explain`, for the first 40 digits.",
    )
    naive: list[Naive] | None = Field(None, description="With `explain`, likewise: resized, and inverted.")
    steps: list[Step] | None = Field(None, description="With `steps`, likewise: cut out, and as the network saw it.")


class Skipped(BaseModel):
    """A mark that was found in the picture and is not part of the text."""

    box: list[int] = Field(description="x, y, width and height in the picture's pixels, upright.")
    reason: str = Field(description="Why it was left out, such as `sign`, `letters` or `frame`.")


class Reading(BaseModel):
    """All digits of a picture."""

    source: str = Field(description="Name of the picture.")
    text: str = Field(description="The text that a person would type; empty if there is no digit.")
    digits: list[Digit] = Field(description="In reading order.")
    skipped: list[Skipped] = Field(description="Marks that were found and left out.")
    error: None = Field(description="Always null here: a picture that cannot be read is answered with a problem.")
    steps: list[Step] | None = Field(None, description="With `steps`: the picture, its paper, its ink.")
    pages: int | None = Field(
        None, description="Number of pages of a PDF or TIFF file that has several; `page` is one."
    )


class Batch(BaseModel):
    """Images in MNIST's form."""

    model_config = ConfigDict(extra="forbid")

    images: Annotated[list[Image], Field(min_length=1)] | Image = Field(description="n images, or one.")


class Predictions(BaseModel):
    """The model's answers to n images."""

    digits: list[int] = Field(description="The most probable class of each.")
    probabilities: list[list[Probability]] = Field(description="For each image, one for each class.")
    digitness: list[Probability] = Field(description="How much each looks like a digit at all.")
    is_digit: list[bool] = Field(description="That reaches the model's threshold.")
    sure: list[bool] = Field(description="It looks like a digit, and the probability reaches the model's threshold.")


class Model(BaseModel):
    """The model's metadata."""

    name: str
    recipe: str
    class_names: list[str]
    temperature: float
    sure_threshold: float
    digit_threshold: float
    kind: str = Field(description="The images that it was trained on: ink or pictures.")
    second_look: float = Field(description="An image whose best probability is below this is looked at again.")
    version: str = Field(description="Version of mnistry that exported the model.")
    licence: str
    details: dict[str, Any] = Field(description="Training config, digests of the data, figures.")


class Correction(BaseModel):
    """A digit with its right label."""

    model_config = ConfigDict(extra="forbid")

    image: Image
    label: int = Field(ge=0, le=9, description="The digit that it is.")


class CorrectionState(BaseModel):
    """The corrected digits of a server."""

    enabled: bool = Field(description="The server takes corrections.")
    folder: str | None = Field(None, description="Folder of the digits, on the server's machine.")
    count: int | None = Field(None, description="Number of corrected digits.")
    needed: int | None = Field(None, description="Number from which on the model can be adapted.")
    running: bool | None = Field(None, description="An adaptation is under way.")
    result: dict[str, Any] | None = Field(None, description="The object that `mnistry adapt --json` prints.")
    error: str | None = Field(None, description="Why the last adaptation failed.")


class Status(BaseModel):
    """State of the server."""

    status: str


class ProblemDetails(BaseModel):
    """An error (RFC 9457)."""

    type: str = Field(description="Always about:blank: `status` tells the kind of problem.")
    title: str = Field(description="The status in words.")
    status: int
    detail: str = Field(description="What happened, what was expected, and one thing to do.")


def describe_problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The errors of an operation, for FastAPI."""
    meanings = {
        400: "The request is not valid HTTP/1.1.",
        403: "A page of another origin sent it, which was not allowed.",
        408: "The body came too slowly.",
        409: "The server takes no corrections, or has too few.",
        413: "The body is too large.",
        415: "The body is a form, which this path does not take, or it is packed otherwise than by gzip.",
        421: "The server does not answer to the name in the Host header.",
        422: "The picture, the batch or the query is not valid.",
        503: "There is too much to do, or the server is starting or stopping.",
    }
    return {status: {"model": ProblemDetails, "description": meanings[status]} for status in statuses}


def describe_picture_body() -> dict[str, Any]:
    """The OpenAPI description of a body with a picture."""
    binary = {"schema": {"type": "string", "format": "binary"}}
    content: dict[str, Any] = {f"image/{kind}": binary for kind in MEDIA_TYPES}
    content["application/octet-stream"] = binary
    file = {"type": "object", "properties": {"file": {"type": "string", "format": "binary"}}, "required": ["file"]}
    content["multipart/form-data"] = {"schema": {**file, "additionalProperties": False}}
    text = {"type": "string", "description": "base64, or a data URL", "examples": [EXAMPLE]}
    image = {"type": "object", "properties": {"image": text}, "required": ["image"], "additionalProperties": False}
    content["application/json"] = {"schema": image}
    content["text/plain"] = {"schema": {"type": "string", "examples": [EXAMPLE]}}
    description = (
        "The picture's bytes, whatever the Content-Type; or a form with one file, a data URL, or JSON with the picture "
        "in base64. It may be packed by gzip."
    )
    body = {"required": True, "description": description, "content": content}
    return {"requestBody": body, "x-codeSamples": [{"lang": lang, "source": code} for lang, code in SAMPLES]}


def describe_batch_body() -> dict[str, Any]:
    """The OpenAPI description of a body with a batch of images."""
    content = {
        "application/json": {"schema": Batch.model_json_schema(ref_template="#/components/schemas/{model}")},
        "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
    }
    text = "uint8 (n, 28, 28), ink bright on black: as JSON, or n times 784 bytes."
    sample = "curl --header 'Content-Type: application/octet-stream' --data-binary @images.bin {server}/api/predict"
    return {
        "requestBody": {"required": True, "description": text, "content": content},
        "x-codeSamples": [{"lang": "curl", "source": sample}],
    }


def describe_correction_body() -> dict[str, Any]:
    """The OpenAPI description of a body with a correction."""
    schema = Correction.model_json_schema(ref_template="#/components/schemas/{model}")
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def with_problem_type(description: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """An OpenAPI description whose errors have the type of problem details."""
    for operations in description["paths"].values():
        for operation in operations.values():
            for status, response in operation["responses"].items():
                if int(status) >= 400:
                    response["content"] = {problem_details.MEDIA_TYPE: response["content"]["application/json"]}
    return description
