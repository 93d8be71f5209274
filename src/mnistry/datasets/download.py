"""Verified downloads: a file arrives whole and with the right SHA-256, or not at all."""

from __future__ import annotations

import hashlib
import os
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mnistry.errors import DataError
from mnistry.runtime.files import short

if TYPE_CHECKING:
    import requests

PART, LOCK = ".part", ".lock"
CHUNK_BYTES = 1 << 16
REASONS = (  # by words in the errors of the libraries
    (("Read timed out",), "it stopped sending"),
    (("resolve", "Name or service not known"), "its name cannot be resolved"),
    (("refused",), "it refused the connection"),
    (("IncompleteRead", "Connection aborted", "reset"), "the connection broke off"),
)

Progress = Callable[[str, int, int], None]
"""Called with a file's name, the bytes received so far and the bytes expected."""


@dataclass(frozen=True)
class RemoteFile:
    """A file whose content is known before it is fetched.

    Attributes:
        name: its name, both on the mirrors and in the cache.
        size: bytes.
        sha256: the digest of the file as it is served.
        unpacked_sha256: the digest of the unpacked content; None where it is not published.
    """

    name: str
    size: int
    sha256: str
    unpacked_sha256: str | None = None


@dataclass(frozen=True)
class Timeouts:
    """Time limits for a server, in seconds.

    Attributes:
        answer: for any mirror to answer at all, name lookup included; all are asked at once.
        connect: for a connection.
        read: for the next bytes. A server that sends its headers byte by byte can take longer in all.
        window: a transfer slower than `minimum_rate` bytes a second over this long is given up.
        minimum_rate: see `window`.
    """

    answer: float = 8.0
    connect: float = 5.0
    read: float = 10.0
    window: float = 15.0
    minimum_rate: float = 4096.0


def reachable(mirrors: Sequence[str], file: RemoteFile, timeouts: Timeouts) -> tuple[list[str], list[str]]:
    """Ask all mirrors at once which of them answer, and return as soon as one does.

    Args:
        mirrors: addresses that end with a slash, the preferred ones first.
        file: the file to ask for.
        timeouts: this takes `timeouts.answer` seconds at most.

    Returns:
        The mirrors to try, the one that answered first at the head (none if none answered), and a line for each
        mirror that failed.
    """
    answers: queue.SimpleQueue[tuple[str, str | None]] = queue.SimpleQueue()

    def ask(mirror: str) -> None:
        import requests

        try:
            status = 0
            for method in ("HEAD", "GET"):  # simple servers, proxies and signed addresses know GET only
                wait = (timeouts.connect, timeouts.read)
                address = mirror + file.name
                with requests.request(method, address, timeout=wait, allow_redirects=True, stream=True) as response:
                    status = response.status_code
                    if response.ok:
                        break
            answers.put((mirror, None if response.ok else f"HTTP status {status}"))
        except (requests.RequestException, OSError, ValueError) as error:
            answers.put((mirror, _explain(error)))

    mirrors = list(dict.fromkeys(mirrors))
    for mirror in mirrors:  # daemon threads: a name lookup that hangs cannot be stopped, only left behind
        threading.Thread(target=ask, args=(mirror,), daemon=True).start()
    deadline = time.monotonic() + timeouts.answer
    failures: dict[str, str] = {}
    while len(failures) < len(mirrors):
        try:
            mirror, problem = answers.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            break
        if problem is None:
            others = [other for other in mirrors if other != mirror and other not in failures]
            return [mirror, *others], []
        failures[mirror] = problem
    silent = f"no answer within {timeouts.answer:g} s"
    return [], [f"{mirror}: {failures.get(mirror, silent)}" for mirror in mirrors]


def fetch(
    file: RemoteFile, folder: Path, mirrors: Sequence[str], *, timeouts: Timeouts, progress: Progress | None = None
) -> Path:
    """Fetch a file into a folder, from the first mirror that delivers it whole.

    The bytes go into a temporary file beside the target, which is moved into place once size and digest are right. One
    process at a time does this in a folder; another waits, and then finds the file there. What a process that died left
    behind is overwritten.

    Args:
        file: what to fetch.
        folder: where to; made if missing. A file that is there already, with the right digest, is left.
        mirrors: addresses that end with a slash, in the order to try them.
        timeouts: after which a mirror is given up.
        progress: called as the bytes arrive.

    Raises:
        DataError: no mirror delivered it, or the folder cannot be written.
    """
    import filelock

    target, failures = folder / file.name, []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(folder / LOCK):
            if _is_complete(target, file):
                return target
            for mirror in mirrors:
                problem = _fetch_from(mirror, file, target, timeouts, progress)
                if problem is None:
                    return target
                failures.append(f"{mirror}: {problem}")
    except OSError as error:
        raise DataError(f"{file.name} cannot be stored in {short(folder)}: {error.strerror or error}.") from None
    raise DataError(f"{file.name} could not be downloaded.\n" + "\n".join(f"  {line}" for line in failures))


def _is_complete(path: Path, file: RemoteFile) -> bool:
    try:
        return path.stat().st_size == file.size and hashlib.sha256(path.read_bytes()).hexdigest() == file.sha256
    except OSError:
        return False


def _fetch_from(
    mirror: str, file: RemoteFile, target: Path, timeouts: Timeouts, progress: Progress | None
) -> str | None:
    """Put the file in place, or return the reason why not."""
    import requests

    part = target.with_name(target.name + PART)
    try:
        with requests.get(mirror + file.name, stream=True, timeout=(timeouts.connect, timeouts.read)) as response:
            if not response.ok:
                return f"HTTP status {response.status_code}"
            received, digest = 0, hashlib.sha256()
            with part.open("wb") as sink:
                for chunk in _chunks(response, timeouts):
                    received += len(chunk)
                    if received > file.size:
                        return f"expected {file.size:,} bytes, received more"
                    digest.update(chunk)
                    sink.write(chunk)
                    if progress is not None:
                        progress(file.name, received, file.size)
                sink.flush()
                os.fsync(sink.fileno())
            if received < file.size:
                return f"expected {file.size:,} bytes, received {received:,}"
            if digest.hexdigest() != file.sha256:
                return f"expected SHA-256 {file.sha256[:12]}…, received {digest.hexdigest()[:12]}…"
            part.replace(target)
        return None
    except (requests.RequestException, _TooSlowError, ValueError) as error:
        return _explain(error)
    finally:
        part.unlink(missing_ok=True)


class _TooSlowError(Exception):
    pass


def _chunks(response: requests.Response, timeouts: Timeouts) -> Iterator[bytes]:
    window_start, window_bytes = time.monotonic(), 0
    # The raw stream: nothing may unpack the gzip on the way, whatever Content-Encoding a server claims.
    while chunk := _read(response):
        yield chunk
        window_bytes += len(chunk)
        elapsed = time.monotonic() - window_start
        if elapsed > timeouts.window:
            if window_bytes / elapsed < timeouts.minimum_rate:
                raise _TooSlowError(f"too slow: {window_bytes / elapsed:,.0f} bytes a second")
            window_start, window_bytes = time.monotonic(), 0


def _read(response: requests.Response) -> bytes:
    import requests
    import urllib3

    try:
        return response.raw.read1(CHUNK_BYTES, decode_content=False)
    except urllib3.exceptions.HTTPError as error:
        raise requests.ConnectionError(error) from None


def _explain(error: Exception) -> str:
    import requests

    if isinstance(error, requests.ConnectTimeout):
        return "no connection in time"
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    text = str(error)
    known = next((reason for words, reason in REASONS if any(each in text for each in words)), None)
    return known or (text.splitlines()[0][:200] if text else type(error).__name__)
