"""A reading process of the server: jobs come through standard input, answers go out through standard output.

A process of its own leaves the server free to answer others and uses a core of its own. It can be ended in the middle
of a picture that takes too long, and takes nothing with it if a picture brings it down.
"""

from __future__ import annotations

import ctypes
import io
import json
import os
import signal
import sys
import threading
import time
import traceback
from typing import IO

from mnistry.errors import MnistryError
from mnistry.ocr.recognizer import Recognizer
from mnistry.service import handlers, messages
from mnistry.service.messages import DONE, FAILED, NO_MEMORY, UNREADABLE, Frame
from mnistry.service.problem_details import OUR_MISTAKE

LOOK_SECONDS = 1.0  # between two looks at the parent
SET_PARENT_DEATH_SIGNAL = 1  # prctl's PR_SET_PDEATHSIG


def main(model: str | None) -> None:
    """Load a model file, or the built-in one; send its metadata or the error, and do jobs until standard input ends."""
    _end_with_the_server()
    for interruption in (signal.SIGINT, signal.SIGTERM):  # they are for the server, which ends our input in its time
        signal.signal(interruption, signal.SIG_IGN)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # a library that prints must not disturb the answers
    try:
        recognizer = Recognizer.load(model, threads=1)
    except MnistryError as error:
        _send(answers, Frame({"error": str(error)}))
        return
    _warm_up(recognizer)
    _send(answers, Frame({"model": recognizer.info.as_json()}))
    while (job := messages.read(sys.stdin.buffer)) is not None:
        _send(answers, answer(recognizer, job))


def answer(recognizer: Recognizer, job: Frame) -> Frame:
    """The answer to a job: `status` and the answer's JSON, or `status` and the reason of a failure as `detail`."""
    try:
        content = handlers.HANDLERS[job.head["job"]](recognizer, job.body, **job.head["options"])
    except MnistryError as error:
        return Frame({"status": UNREADABLE, "detail": str(error)})
    except MemoryError:
        return Frame({"status": NO_MEMORY, "detail": "The picture needs more memory than there is."})
    except Exception:
        traceback.print_exc()
        return Frame({"status": FAILED, "detail": OUR_MISTAKE})
    return Frame({"status": DONE, "digits": len(content["digits"])}, json.dumps(content, ensure_ascii=False).encode())


def _end_with_the_server() -> None:
    """End this process soon after the server has been killed, whatever it is doing then.

    On Linux the kernel kills it. Elsewhere a thread looks at the parent once a second, which helps unless a library
    keeps the interpreter from switching threads.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
    threading.Thread(target=_watch, args=(os.getppid(),), name="parent", daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(LOOK_SECONDS)
    os._exit(1)


def _warm_up(recognizer: Recognizer) -> None:
    """Read a small picture, so that everything is loaded before the first real one comes."""
    from PIL import Image

    stroke = Image.new("L", (48, 48), 255)
    stroke.paste(0, (22, 8, 26, 40))
    picture = io.BytesIO()
    stroke.save(picture, "PNG")
    handlers.read(recognizer, picture.getvalue(), name="a stroke", explain=True, steps=True)


def _send(pipe: IO[bytes], frame: Frame) -> None:
    try:
        pipe.write(frame.pack())
        pipe.flush()
    except BrokenPipeError:  # the server is gone
        os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None)
