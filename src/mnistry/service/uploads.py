"""The picture in a request's body: the body itself, a file or text in a form, a data URL, or JSON with base64."""

from __future__ import annotations

import base64
import binascii
import json
import re
import zlib
from email.message import Message
from email.parser import BytesHeaderParser
from urllib.parse import unquote_to_bytes

from mnistry.errors import UsageError
from mnistry.service.messages import FORM, JSON

FIELDS = "application/x-www-form-urlencoded"
FIELD = re.compile(rb"[\w.-]{1,40}=")
NAMES = ("name", "filename", "file_name")  # keys of JSON that name the picture
LEAST_TEXT = 60  # characters of a picture in base64
STARTS = tuple(
    base64.b64encode(start) for start in (b"\x89PN", b"\xff\xd8\xff", b"GIF", b"RIF", b"%PD", b"II*", b"MM\0")
)
DATA_URL = re.compile(rb"data:(?P<kind>[^,;]*)(?P<parameters>(?:;[^,;]*)*?)(?P<base64>;base64)?,", re.IGNORECASE)
MOST_UNPACKED = 40_000_000  # bytes
MOST_NAME = 200  # characters
MOST_HEAD = 8192  # bytes before the comma of a data URL, or of the headers of a form's part
WAYS = (
    "Send the picture's bytes as the body, a form with one file (curl -F file=@photo.png), a data URL, "
    'or JSON {"image": "<base64 or data URL>"}.'
)


def extract_picture(body: bytes, content_type: str, *, packed: bool = False) -> tuple[bytes, str | None]:
    """The picture in a request's body.

    Args:
        body: the whole body.
        content_type: the Content-Type header; only a form and JSON need it, as pictures name their own format.
        packed: whether the body is packed, by gzip or zlib.

    Returns:
        The picture's bytes, and its file name where a form tells one.

    Raises:
        UsageError: a form, a data URL or JSON is damaged, or holds no picture or several; or the body cannot be
            unpacked.
    """
    body = _unpack(body) if packed else body
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type == FORM:
        return _in_form(body, content_type)
    if media_type == JSON:
        return _in_json(body)
    if media_type == FIELDS and (field := FIELD.match(body)) is not None:
        return _in_text(unquote_to_bytes(body[field.end() :].partition(b"&")[0]).replace(b" ", b"+")), None
    return (_in_text(body) if body[:5].lower() == b"data:" or body.startswith(STARTS) else body), None


def _unpack(body: bytes) -> bytes:
    unpacker = zlib.decompressobj(wbits=47)  # gzip or zlib, by its header
    try:
        unpacked = unpacker.decompress(body, MOST_UNPACKED)
    except zlib.error:
        raise UsageError("The body is not packed as its Content-Encoding says.") from None
    if not unpacker.eof:
        cut = "is cut short" if len(unpacked) < MOST_UNPACKED else f"unpacks to {MOST_UNPACKED:,} bytes or more"
        raise UsageError(f"The body {cut}. Send the picture without a Content-Encoding.")
    return unpacked


def _in_form(body: bytes, content_type: str) -> tuple[bytes, str | None]:
    boundary = _parameter(content_type, "content-type", "boundary")
    if not boundary:
        raise UsageError(f"The form's Content-Type has no boundary. {WAYS}")
    parts = (b"\r\n" + body).split(b"\r\n--" + boundary.encode("latin-1", "replace"))
    if len(parts) < 3 or not parts[-1].startswith(b"--"):
        raise UsageError(f"The form is damaged: its parts do not begin and end with its boundary. {WAYS}")
    files: list[tuple[bytes, str | None]] = []
    for part in parts[1:-1]:
        head, found, content = part.partition(b"\r\n\r\n")
        if not found or len(head) > MOST_HEAD:
            raise UsageError(f"The form is damaged: a part has no end of its headers. {WAYS}")
        headers = BytesHeaderParser().parsebytes(head.lstrip())
        disposition = str(headers.get("content-disposition", ""))
        if (name := _parameter(disposition, "content-disposition", "filename")) is not None:
            files.append((content, name or None))
        elif content[:5].lower() == b"data:" or len(content) >= LEAST_TEXT:
            files.append((_in_text(content), None))
        else:
            field = _parameter(disposition, "content-disposition", "name") or ""
            raise UsageError(
                f"The form's field {field[:50]!r} is not a file. Options belong in the query: ?single=true."
            )
    if len(files) != 1:
        raise UsageError(f"The form must have one file; received {len(files)}. Send one picture a request.")
    return files[0]


def _in_json(body: bytes) -> tuple[bytes, str | None]:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        raise UsageError(f"The body is not valid JSON. {WAYS}") from None
    fields = dict(content) if isinstance(content, dict) else {"image": content}
    names = [fields.pop(key) for key in NAMES if len(fields) > 1 and isinstance(fields.get(key), str)]
    picture = next(iter(fields.values()), None)
    if len(fields) != 1 or len(names) > 1 or not isinstance(picture, str):
        raise UsageError(f"The JSON must be an object with one text, the picture; options belong in the query. {WAYS}")
    return _in_text(picture.strip().encode("utf-8", "replace")), names[0][:MOST_NAME] if names else None


def _in_text(text: bytes) -> bytes:
    """The picture in a data URL, or in base64."""
    if text[:8].lower().startswith((b"http://", b"https://")):
        raise UsageError(f"Pictures are not fetched from addresses in the web. {WAYS}")
    return _in_data_url(text) if text[:5].lower() == b"data:" else _decode(text)


def _in_data_url(url: bytes) -> bytes:
    """The bytes of a data URL (RFC 2397)."""
    head = DATA_URL.match(url[:MOST_HEAD])
    if head is None:
        raise UsageError("The data URL must be data:image/png;base64, followed by base64.")
    content = url[head.end() :]
    return _decode(content) if head["base64"] else unquote_to_bytes(content)


def _decode(text: bytes) -> bytes:
    """Decode base64, with or without padding and line breaks, in the alphabet for URLs too."""
    packed = b"".join(unquote_to_bytes(text).split() if b"%" in text else text.split())
    packed = packed.replace(b"-", b"+").replace(b"_", b"/").rstrip(b"=")
    try:
        return base64.b64decode(packed + b"=" * (-len(packed) % 4), validate=True)
    except binascii.Error:
        raise UsageError(f"The picture is not valid base64. {WAYS}") from None


def _parameter(value: str, header: str, parameter: str) -> str | None:
    """A parameter of a header, in any of its forms (RFC 2231); None where there is none."""
    message = Message()
    message[header] = "".join(each if each.isprintable() else "?" for each in value[:MOST_HEAD])
    found = message.get_param(parameter, None, header)
    return str(found[2] if isinstance(found, tuple) else found) if found is not None else None
