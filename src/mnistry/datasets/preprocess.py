"""Pictures as images to learn from: those of 28×28 grey pixels as they are, others as the picture reader sees them.

Many are shared among processes of their own, which are handed pictures and give images back through pipes: a user's
script needs no guard around its main part, as it would for `multiprocessing`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import IO, TYPE_CHECKING, cast

import numpy as np

from mnistry.datasets.labelled import PIXELS, SIDE, ValidationErrors
from mnistry.errors import DataError, PictureError
from mnistry.ocr import pipeline
from mnistry.ocr.image_io import open_image
from mnistry.runtime import messages
from mnistry.runtime.messages import Frame

if TYPE_CHECKING:
    from mnistry.models.classifier import Classifier

MANY = 400  # pictures: with fewer, starting processes takes longer than they save


@dataclass(frozen=True, eq=False)
class Raw:
    """A picture that is not opened yet.

    Attributes:
        name: what to call it: its path, or the row that it stands in.
        content: the bytes of its file; None where `name` is the path of one.
    """

    name: str
    content: bytes | None = None


def images(pictures: Sequence[Raw], problems: ValidationErrors, *, digits: bool) -> np.ndarray:
    """Pictures in the form that networks take.

    A grey picture of 28×28 pixels passes as it is. Of any other one all ink is taken, as `mnistry read --single` does:
    dark on bright or bright on dark, scaled, centred, and its strokes made as thick as MNIST's.

    Args:
        pictures: what to open.
        problems: takes those that cannot be read or show no ink.
        digits: whether they show digits; then the recogniser that comes with mnistry decides which ink it is where
            that is open.

    Returns:
        uint8 (n, 28, 28) 0–255, ink bright on black; black where there was a problem.

    Raises:
        DataError: a process that worked on them was stopped.
    """
    parts = min(_cores(), 1 + len(pictures) // MANY)
    if parts < 2:
        answers = list(_one_by_one(pictures, digits=digits))
    else:
        edges = np.linspace(0, len(pictures), parts + 1).astype(int)
        shares = [pictures[start:stop] for start, stop in pairwise(edges)]
        with ThreadPoolExecutor(parts) as pool:
            done = pool.map(lambda share: _in_a_process(share, digits=digits), shares)
            answers = [answer for share in done for answer in share]
    result = np.zeros((len(pictures), SIDE, SIDE), np.uint8)
    for number, answer in enumerate(answers):
        if isinstance(answer, str):
            problems.add(pictures[number].name, answer)
        else:
            result[number] = answer
    return result


def one(picture: Raw, recognizer: Classifier | None) -> np.ndarray | str:
    """One picture as an image, uint8 (28, 28), or why it cannot be one; see `images`."""
    try:
        opened = open_image(picture.name if picture.content is None else picture.content, "it")
    except PictureError as error:
        return str(error)
    except MemoryError:
        return "it needs more memory than there is"
    grey = opened.pixels[:, :, 0]
    if grey.shape == (SIDE, SIDE) and (opened.pixels == grey[:, :, None]).all():
        return grey
    if recognizer is not None:
        digit = pipeline.digit_in(recognizer, opened)
        found = None if digit is None else digit.image
    else:
        found = next((image for image, _ in pipeline.images_of_one(opened)), None)
    return "no ink is found in it" if found is None else found


def main(pipe: IO[bytes], answers: IO[bytes]) -> None:
    """Answers frames from one pipe on the other: for each picture its image, or the problem."""
    first = messages.read(pipe)
    recognizer = _recognizer(digits=first is not None and bool(first.head["digits"]))
    while (frame := messages.read(pipe)) is not None:
        answer = one(Raw(frame.head["name"], frame.body if frame.head["has_content"] else None), recognizer)
        packed = Frame({"problem": answer}) if isinstance(answer, str) else Frame({}, answer.tobytes())
        answers.write(packed.pack())
    answers.flush()


def _one_by_one(pictures: Sequence[Raw], *, digits: bool) -> Iterator[np.ndarray | str]:
    recognizer = _recognizer(digits=digits)
    return (one(picture, recognizer) for picture in pictures)


def _in_a_process(pictures: Sequence[Raw], *, digits: bool) -> list[np.ndarray | str]:
    command = [sys.executable, "-m", "mnistry.datasets.preprocess"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:  # noqa: S603 - Python itself
        questions, pipe = cast("IO[bytes]", process.stdin), cast("IO[bytes]", process.stdout)
        writer = threading.Thread(target=_hand_over, args=(questions, pictures, digits), daemon=True)
        writer.start()
        answers: list[np.ndarray | str] = []
        while (frame := messages.read(pipe)) is not None:
            image = np.frombuffer(frame.body, np.uint8, PIXELS).reshape(SIDE, SIDE) if frame.body else None
            answers.append(frame.head["problem"] if image is None else image)
        writer.join()
    if len(answers) < len(pictures):
        raise DataError(
            f"A process that prepares pictures was stopped at {pictures[len(answers)].name}. Is there memory enough?"
        )
    return answers


def _hand_over(pipe: IO[bytes], pictures: Sequence[Raw], digits: bool) -> None:
    try:
        with pipe:
            pipe.write(Frame({"digits": digits}).pack())
            for picture in pictures:
                head = {"name": picture.name, "has_content": picture.content is not None}
                pipe.write(Frame(head, picture.content or b"").pack())
    except BrokenPipeError:
        pass  # the process has ended; who reads its answers says so


def _recognizer(*, digits: bool) -> Classifier | None:
    if not digits:
        return None
    from mnistry.models.classifier import Classifier

    return Classifier.load(threads=1)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


if __name__ == "__main__":
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints must not get between the answers
    main(sys.stdin.buffer, answers)
