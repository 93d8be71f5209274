"""Modules run in a separate process, for libraries that hang or crash on damaged files."""

from __future__ import annotations

import subprocess
import sys


def run_module(name: str, *arguments: str, seconds: float) -> subprocess.CompletedProcess[bytes]:
    """Run the `__main__` part of a module of this package, without input, and take in what it writes.

    Raises:
        subprocess.TimeoutExpired: it took longer than those seconds, and was ended.
    """
    return subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-m", name, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=seconds,
        check=False,
    )


def last_line(done: subprocess.CompletedProcess[bytes], otherwise: str) -> str:
    """The last line that a program wrote to standard error, where Python names the error; or another text."""
    return next(reversed(done.stderr.decode("utf-8", "replace").splitlines()), otherwise).rstrip(".")
