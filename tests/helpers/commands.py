"""The result of a call of the command line."""

from __future__ import annotations

import re
import subprocess

Answer = subprocess.CompletedProcess[str]


def assert_refused(answer: Answer, status: int, sentence: str) -> None:
    """Nothing on standard output, a sentence on standard error, no traceback, and the exit status."""
    assert "Traceback" not in answer.stderr
    assert re.search(sentence, " ".join(answer.stderr.split())), answer.stderr
    assert (answer.returncode, answer.stdout) == (status, "")
