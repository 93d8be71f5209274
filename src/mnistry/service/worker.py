"""A process that reads pictures for the server: jobs in through standard input, answers out through standard output.

Being a process of its own, it leaves the server free to answer others, uses a core of its own, can be stopped in the
middle of a picture that takes too long, and takes nothing with it should a picture bring it down.
"""

from __future__ import annotations

import io
import json
import os
import signal
import sys
import traceback
from collections.abc import Mapping
from typing import IO, Any

from mnistry.errors import MnistryError
from mnistry.ocr.recognizer import Recognizer
from mnistry.service import handlers, jobs, messages
from mnistry.service.jobs import DONE, FAILED, NO_MEMORY, UNREADABLE, Read
from mnistry.service.messages import Frame


def main(model: str | None) -> None:
    """Loads a model, says what it is or why it cannot be loaded, and answers until standard input ends.

    Args:
        model: the path of a model file; None is the one that comes with the package.
    """
    for interruption in (signal.SIGINT, signal.SIGTERM):
        signal.signal(
            interruption, signal.SIG_IGN
        )  # meant for the server, which lets us finish and then ends our input
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints must not get between the answers
    try:
        recognizer = Recognizer.load(model, threads=1)
    except MnistryError as error:
        _send(answers, Frame({"error": str(error)}))
        return
    _warm_up(recognizer)
    _send(answers, Frame({"model": recognizer.info.as_json()}))
    while (job := messages.read(sys.stdin.buffer)) is not None:
        _send(answers, answered(recognizer, job))


def answered(recognizer: Recognizer, job: Frame) -> Frame:
    """What becomes of a job: `status` and the answer's JSON, or `status` and why there is none as `detail`."""
    try:
        content = _answer(recognizer, job.head, job.body)
    except MnistryError as error:
        return Frame({"status": UNREADABLE, "detail": str(error)})
    except MemoryError:
        return Frame({"status": NO_MEMORY, "detail": "The picture needs more memory than there is."})
    except Exception:
        traceback.print_exc()
        return Frame({"status": FAILED, "detail": "A mistake of ours: the server's log has the details."})
    return Frame({"status": DONE, "digits": len(content["digits"])}, json.dumps(content, ensure_ascii=False).encode())


def _answer(recognizer: Recognizer, head: Mapping[str, Any], body: bytes) -> dict[str, Any]:
    job = jobs.from_json(head)
    if isinstance(job, Read):
        return handlers.read(recognizer, body, job)
    return handlers.predict(recognizer, body, job)


def _warm_up(recognizer: Recognizer) -> None:
    """Reads a small picture, so that all that reading needs is loaded before the first one comes."""
    from PIL import Image

    stroke = Image.new("L", (48, 48), 255)
    stroke.paste(0, (22, 8, 26, 40))
    picture = io.BytesIO()
    stroke.save(picture, "PNG")
    handlers.read(recognizer, picture.getvalue(), Read("a stroke", explain=True))


def _send(pipe: IO[bytes], frame: Frame) -> None:
    try:
        pipe.write(frame.pack())
        pipe.flush()
    except BrokenPipeError:  # the server is gone
        os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None)
