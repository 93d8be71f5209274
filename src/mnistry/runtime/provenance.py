"""The origin of a result: versions, machine, command line, seconds."""

from __future__ import annotations

import contextlib
import os
import platform
import shlex
import time
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from mnistry.runtime.parallel import count_cpus

CPU_FACTS = Path("/proc/cpuinfo")
LIBRARIES = ("mnistry", "keras", "jax", "jaxlib", "numpy")


def format_command(verb: str, settings: Mapping[str, Any], data_dir: str | os.PathLike[str] | None) -> str:
    """The command line that gives a run with these settings again.

    >>> format_command("train", {"seed": 3, "batch_size": 32, "recipe": None}, "my data")
    "mnistry train --seed 3 --batch-size 32 --data-dir 'my data'"
    >>> format_command("train", {"settings": {"hidden": 64, "dropout": 0.1}}, None)
    'mnistry train --set hidden=64 --set dropout=0.1'
    """
    words = ["mnistry", verb]
    for name, value in {**settings, "data_dir": data_dir}.items():
        if isinstance(value, Mapping):
            words += [word for key, number in value.items() for word in ("--set", f"{key}={number}")]
        elif value is not None:
            words += [f"--{name.replace('_', '-')}", str(value)]
    return shlex.join(words)


def list_versions() -> dict[str, str]:
    """The versions on which a result depends."""
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in LIBRARIES}}


def describe_environment() -> dict[str, Any]:
    """The versions and the machine, so that a run can be repeated."""
    return {
        **list_versions(),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": name_processor(),
        "cores": count_cpus(),
    }


def name_processor() -> str:
    """The name of the processor."""
    return read_processor().get("model name") or platform.processor() or platform.machine()


def read_processor() -> dict[str, str]:
    """The facts on the first core that Linux gives, such as "vendor_id" and "cpu family"; empty on other systems."""
    try:
        text = CPU_FACTS.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    facts = (line.partition(":") for line in text.split("\n\n", 1)[0].splitlines())
    return {name.strip(): value.strip() for name, _, value in facts}


_command_began: list[float] = []  # when the command line began, until the first stopwatch takes it over


def start_clock() -> None:
    """Let the next stopwatch count from now on: the time until it is made goes into imports."""
    _command_began[:] = [time.perf_counter()]


class Stopwatch:
    """Add up how long each part takes, in `seconds`."""

    def __init__(self) -> None:
        """Start now, or where the command line began."""
        self.seconds: dict[str, float] = {}
        self._began = self._last = _command_began[0] if _command_began else time.perf_counter()
        if _command_began:
            self.lap("import")
            _command_began.clear()

    @contextlib.contextmanager
    def stop(self) -> Iterator[None]:
        """Leave out the time of a block."""
        began = time.perf_counter()
        yield
        away = time.perf_counter() - began
        self._began, self._last = self._began + away, self._last + away

    def lap(self, name: str) -> None:
        """Book the time since the last lap under a name."""
        now = time.perf_counter()
        self.seconds[name], self._last = now - self._last, now

    def finish(self) -> None:
        """Book the whole time as the total."""
        self.seconds["total"] = time.perf_counter() - self._began
