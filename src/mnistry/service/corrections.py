"""Corrected digits, and the adaptation of the model to them by `mnistry adapt`, as a process of its own.

The digits lie in a folder on this machine, a PNG of 28×28 pixels each, in a folder named as its label.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mnistry.errors import UsageError
from mnistry.runtime import files

if TYPE_CHECKING:
    import numpy as np

LEAST = 10  # digits to adapt to, fewer of which tell little
MOST = 5_000
SECONDS = 120  # for an adaptation, which usually takes ten


def keep(folder: Path, image: np.ndarray, label: int) -> Path:
    """Keep an image, uint8 (28, 28), with its right label; an image that is there already gets the new label.

    Raises:
        UsageError: the folder is full or cannot be written.
    """
    import io

    from PIL import Image

    content = io.BytesIO()
    Image.fromarray(image).save(content, "PNG")
    name = hashlib.sha256(image.tobytes()).hexdigest()[:16] + ".png"
    try:
        if sum(1 for _ in folder.glob("[0-9]/*.png")) >= MOST:
            raise UsageError(f"{folder} holds {MOST:,} corrected digits. Remove some before you add more.")
        (folder / str(label)).mkdir(parents=True, exist_ok=True)
        for other in folder.glob(f"[0-9]/{name}"):
            other.unlink()
        path = folder / str(label) / name
        files.write_durably(path, [content.getvalue()])
    except OSError as error:
        raise UsageError(f"{folder} cannot be written: {error.strerror}.") from None
    return path


def find_default_folder() -> Path:
    """The folder of corrections in the user's own data."""
    import platformdirs

    return Path(platformdirs.user_data_dir("mnistry", appauthor=False)) / "corrections"


@dataclass
class Corrections:
    """The corrections of a server.

    Attributes:
        folder: the folder of the digits; None where corrections are not taken.
        model: path of the model that was adapted last; None before.
        running: an adaptation is under way.
        result: the result of the last one.
        error: why the last one failed.
    """

    folder: Path | None
    running: bool = False
    result: Mapping[str, Any] | None = None
    error: str | None = None
    _task: asyncio.Task[None] | None = field(default=None, repr=False)

    def state(self) -> dict[str, Any]:
        """The state, in JSON's types."""
        if self.folder is None:
            return {"enabled": False}
        count = sum(1 for _ in self.folder.glob("[0-9]/*.png"))
        known = {"enabled": True, "folder": os.fspath(self.folder), "count": count, "needed": LEAST}
        return {**known, "running": self.running, "result": self.result, "error": self.error}

    def start(self, model: str | None, use: Any) -> None:
        """Start an adaptation of a model file, or of the built-in one, unless one is under way.

        `use` is awaited with the path of the adapted model.
        """
        if self.folder is None or self.running:
            return
        self.running, self.result, self.error = True, None, None
        self._task = asyncio.create_task(self._adapt(self.folder, model, use))

    async def close(self) -> None:
        """End an adaptation that is under way."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _adapt(self, folder: Path, model: str | None, use: Any) -> None:
        out = folder.with_name(f"{folder.name}-model.onnx")
        options = ["--out", os.fspath(out), "--overwrite", "--json", *([] if model is None else ["--model", model])]
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "mnistry", "adapt", os.fspath(folder), *options, stdout=pipe, stderr=pipe
        )
        try:
            async with asyncio.timeout(SECONDS):
                printed, errors = await process.communicate()
            if process.returncode == 0:
                self.result = json.loads(printed)
                await use(os.fspath(out))
            else:
                self.error = errors.decode(errors="replace").strip().splitlines()[-1].removeprefix("mnistry: ")
        except TimeoutError:
            self.error = f"The adaptation took longer than {SECONDS} seconds and was stopped."
        except (ValueError, IndexError):
            self.error = "The adaptation ended without a result."
        finally:
            self.running = False
            with contextlib.suppress(ProcessLookupError):
                process.kill()
