"""Ctrl-C and SIGTERM while a verb works: neither is lost, and the process ends cleanly.

Python drops an exception that a signal's handler raises within a finaliser or a callback of the garbage collector, of
which JAX has one, and some libraries catch it. Then it is raised again: soon, or at the next report of progress.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

INTERRUPTED, TERMINATED = 130, 143  # exit statuses
SOON = 0.02  # seconds, after which the callback that dropped it is over

_received: int | None = None  # the signal


def listen() -> None:
    """Let Ctrl-C raise KeyboardInterrupt and SIGTERM SystemExit, so that half-written files are removed."""
    signal.signal(signal.SIGINT, _receive)
    signal.signal(signal.SIGTERM, _receive)
    sys.unraisablehook = _hear_dropped


def raise_again() -> None:
    """Raise a signal's exception if one was received, but nobody heard it.

    Raises:
        KeyboardInterrupt: somebody pressed Ctrl-C.
        SystemExit: the process was asked to end.
    """
    if _received is not None:
        _receive(_received)


def leave(status: int) -> NoReturn:
    """End the process with a status; at once after a signal.

    XLA may still be compiling in threads of its own: they crash when the libraries are torn down under them.
    """
    if _received is None:
        sys.exit(status)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(status)


def end() -> NoReturn:
    """End the process after a verb that did its work; JAX and Keras are not torn down, which takes a tenth of a second.

    What wants to be called when a program ends is called. Where other processes or threads are still there, or the
    output cannot be written, Python ends as usual.
    """
    busy = [thread for thread in threading.enumerate() if not thread.daemon and thread is not threading.main_thread()]
    if "jax" not in sys.modules or "ray" in sys.modules or busy:
        sys.exit(0)
    atexit._run_exitfuncs()
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
    except (OSError, ValueError):
        sys.exit(0)  # Python tries again, and says so
    os._exit(0)


def _receive(number: int, _: object = None) -> NoReturn:
    global _received
    _received = number
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    sys.exit(TERMINATED)


def _hear_dropped(dropped: UnraisableHookArgs) -> Any:
    """Send a signal again whose exception was dropped; show any other exception as usual."""
    if _received is None or not issubclass(dropped.exc_type, (KeyboardInterrupt, SystemExit)):
        sys.__unraisablehook__(dropped)
    elif not sys.is_finalizing():
        threading.Timer(SOON, _send, [_received]).start()


def _send(number: int) -> None:
    if hasattr(signal, "pthread_kill"):  # not on Windows
        signal.pthread_kill(threading.main_thread().ident or 0, number)  # ends what it waits for
    else:
        signal.raise_signal(number)
