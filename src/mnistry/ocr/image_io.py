"""Pictures of any kind, opened with care: paths, bytes, file objects, PIL images and arrays become plain RGB pixels.

What a file claims of its size is checked before it is unpacked, so no picture takes more memory than `MAX_PIXELS` need.
"""

from __future__ import annotations

import io
import logging
import math
import os
import warnings
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from mnistry.errors import PictureError
from mnistry.runtime.files import short

if TYPE_CHECKING:
    from PIL.Image import Image

    Source = str | os.PathLike[str] | bytes | bytearray | memoryview | IO[bytes] | Image | np.ndarray

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "AVIF")  # and HEIF, once Pillow has learnt it
KINDS = "PNG, JPEG, WebP, BMP, GIF, TIFF, PPM, AVIF or HEIC"
HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"mif1")  # ISO/IEC 23008-12, the first of which phones write
MAX_BYTES = 100_000_000
MAX_PIXELS = 64_000_000
WORKING_PIXELS = 3_200_000  # larger pictures are reduced: writing that fills a page is still some 30 pixels high
MAX_ELONGATION = 400  # one side against the other: beyond it there is nothing to read
ORIENTATION = 0x0112  # EXIF
SIDEWAYS = (5, 6, 7, 8)  # orientations that exchange width and height

# Pillow logs what it finds in damaged files; who sets up no logging would find that on standard error.
logging.getLogger("PIL").addHandler(logging.NullHandler())


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture as pixels.

    Attributes:
        pixels: uint8 (height, width, 3), RGB, upright as its EXIF data say; large pictures are reduced.
        size: (width, height) before it was reduced.
        name: what to call it.
    """

    pixels: np.ndarray
    size: tuple[int, int]
    name: str


def open_image(source: Source, name: str | None = None) -> Picture:
    """Open a picture.

    Of a file with several frames or pages the first is taken. What is transparent becomes white where the ink is
    dark, and black where it is bright.

    Args:
        source: a path; a file's bytes; an open binary file; a PIL image; or an array: bool, uint8, uint16 or float,
            (height, width) or (height, width, channels) with 1 to 4 channels, floats 0–1 or 0–255.
        name: what to call it; otherwise its path, or what it is.

    Raises:
        PictureError: it is no picture, damaged, or too large; the message says which.
    """
    from PIL import Image

    if isinstance(source, np.ndarray):
        return _from_image(_array_as_image(source), name or "array")
    if isinstance(source, Image.Image):
        return _from_image(source, name or str(getattr(source, "filename", "") or "image"))
    content, called = _content(source)
    called = name or called
    if not content:
        raise PictureError(f"{called} is empty: it has 0 bytes.")
    if len(content) > MAX_BYTES:
        raise PictureError(f"{called} has more than {MAX_BYTES:,} bytes, the most that are read of a picture.")
    return _from_bytes(content, called)


def _content(source: Any) -> tuple[bytes, str]:
    """The bytes of a source, and a name for it."""
    if isinstance(source, bytes | bytearray | memoryview):
        content, called = bytes(source[: MAX_BYTES + 1]), "bytes"
    elif isinstance(source, str | os.PathLike):
        content, called = _file_content(Path(source)), short(Path(source))
    elif hasattr(source, "read"):
        content, called = source.read(MAX_BYTES + 1), str(getattr(source, "name", "file"))
        if not isinstance(content, bytes):
            raise PictureError(f"{called} must be opened in binary mode; it gave {type(content).__name__}.")
    else:
        raise PictureError(
            "A picture is a path, bytes, a binary file, a PIL image or a NumPy array; "
            f"received {type(source).__module__}.{type(source).__qualname__}."
        )
    return content, called


def _file_content(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise PictureError(f"{short(path)} is a folder: name a picture, or put some into it.")
        if path.exists() and not path.is_file():
            raise PictureError(f"{short(path)} is not a regular file.")  # a pipe could keep us waiting for ever
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise PictureError(f"{short(path)} cannot be read: {getattr(error, 'strerror', None) or error}.") from None


def _from_bytes(content: bytes, name: str) -> Picture:
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd metadata; what cannot be read at all is an error
            heic = content[4:8] == b"ftyp" and content[8:12] in HEIC_BRANDS
            with Image.open(io.BytesIO(content), formats=(*FORMATS, _heic()) if heic else FORMATS) as image:
                return _from_image(image, name)
    except UnidentifiedImageError:
        raise PictureError(f"{name} is not a picture that can be read: it must be {KINDS}.") from None
    except Image.DecompressionBombError:
        raise PictureError(f"{name} has more than the {MAX_PIXELS:,} pixels that are read. Reduce it first.") from None
    except PictureError:
        raise
    except Exception as error:  # Pillow's decoders raise a dozen kinds on damaged files
        reason = str(error).strip().rstrip(".") or type(error).__name__
        raise PictureError(f"{name} is damaged: {reason:.200}.") from None


@cache
def _heic() -> str:
    """Pillow's name for what iPhones write, once it has learnt to open that; it takes a quarter of a second."""
    import pi_heif

    pi_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)
    return "HEIF"


def _from_image(image: Image, name: str) -> Picture:
    """Check a picture's size, unpack it no larger than needed, and turn it upright."""
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise PictureError(
            f"{name} has {width:,} × {height:,} pixels, more than the {MAX_PIXELS:,} that are read. Reduce it first."
        )
    if min(width, height) < 1 or max(width, height) > MAX_ELONGATION * min(width, height):
        raise PictureError(f"{name} has {width:,} × {height:,} pixels: nothing can be read in such a strip.")
    orientation = image.getexif().get(ORIENTATION, 1)
    if width * height > WORKING_PIXELS:
        share = math.sqrt(WORKING_PIXELS / (width * height))
        image.draft("RGB", (math.floor(width * share), math.floor(height * share)))  # a JPEG is decoded smaller
    plain = _as_rgb(image)
    factor = math.ceil(math.sqrt(plain.width * plain.height / WORKING_PIXELS))
    pixels = np.asarray(plain.reduce(factor) if factor > 1 else plain)
    return Picture(_upright(pixels, orientation), (height, width) if orientation in SIDEWAYS else (width, height), name)


def _upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Pixels (height, width, 3) turned as EXIF's orientation says (CIPA DC-008, section 4.6.4)."""
    if orientation in SIDEWAYS:
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def _as_rgb(image: Image) -> Image:
    """Any mode of Pillow's as RGB; what is transparent becomes paper."""
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        return _array_as_image(np.asarray(image)).convert("RGB")
    if "transparency" in image.info or image.mode in ("RGBA", "LA", "La", "RGBa", "PA"):
        return _on_paper(image.convert("RGBA"))
    return image.convert("RGB")


def _on_paper(image: Image) -> Image:
    """An RGBA picture on white or black, whichever its opaque part stands out from."""
    from PIL import Image as Images

    alpha = image.getchannel("A")
    weight = np.asarray(alpha, np.float64)
    if weight.min() == 255:
        return image.convert("RGB")
    luminance = np.asarray(image.convert("RGB").convert("L"), np.float64)
    mean = (luminance * weight).sum() / weight.sum() if weight.any() else 0.0
    paper = Images.new("RGBA", image.size, "white" if mean < 128 else "black")
    return Images.alpha_composite(paper, image).convert("RGB")


def _array_as_image(array: np.ndarray) -> Image:
    from PIL import Image

    channels = 1 if array.ndim == 2 else array.shape[2] if array.ndim == 3 else 0
    kind = array.dtype.kind
    if channels not in (1, 2, 3, 4) or kind not in "buif":
        raise PictureError(
            "An array must be (height, width) or (height, width, channels) with 1 to 4 channels, bool, integer or "
            f"float; received {array.dtype} {array.shape}."
        )
    if array.size == 0 or array.shape[0] * array.shape[1] > MAX_PIXELS:
        raise PictureError(f"An array must have 1 to {MAX_PIXELS:,} pixels; received {array.shape}.")
    if kind == "f" and not np.isfinite(array).all():
        raise PictureError("An array must hold finite numbers; it has NaN or infinite ones.")
    scaled = _to_bytes(array)
    return Image.fromarray(scaled[:, :, 0] if scaled.ndim == 3 and channels == 1 else scaled)


def _to_bytes(array: np.ndarray) -> np.ndarray:
    """Any numbers as uint8: bool and floats up to 1 are 0–1, others up to 255 as they are, the rest 16 bits."""
    if array.dtype == np.uint8:
        return array
    low, high = float(array.min()), float(array.max())
    top = 1.0 if array.dtype == bool or (array.dtype.kind == "f" and high <= 1) else 255.0 if high <= 255 else 65535.0
    if low < 0 or high > top:
        raise PictureError(
            f"An array's numbers must be 0–1, 0–255 or 0–65535; received {array.dtype} from {low:g} to {high:g}."
        )
    scaled: np.ndarray = np.rint(array.astype(np.float64) * (255 / top)).astype(np.uint8)
    return scaled
