"""The command line, called in this process."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.commands import Answer
from mnistry.cli import app


@pytest.fixture
def called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    """Calls the command line's main function in this process, in an empty folder: Keras need not be loaded anew."""

    def call(*arguments: object) -> Answer:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["mnistry", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            app.main()
        printed = capfd.readouterr()
        return subprocess.CompletedProcess(arguments, left.value.code or 0, printed.out, printed.err)

    return call
