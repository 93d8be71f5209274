"""Pictures of any kind, opened with care: paths, bytes, file objects, PIL images and arrays become plain RGB pixels.

What a file claims of its size is checked before it is unpacked, so no picture takes more memory than `MAX_PIXELS` need.
"""

from __future__ import annotations

import io
import logging
import math
import os
import re
import shlex
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from mnistry.errors import PictureError
from mnistry.ocr.resizing import resize
from mnistry.runtime.files import PassedOver, short, walk

if TYPE_CHECKING:
    from PIL.Image import Image

    Source = str | os.PathLike[str] | bytes | bytearray | memoryview | IO[bytes] | Image | np.ndarray

STANDARD_INPUT = "-"
SUFFIXES = frozenset(
    (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm", ".pbm")
) | {".avif", ".heic", ".heif"}
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "AVIF")  # and HEIF, once Pillow has learnt it
KINDS = "PNG, JPEG, WebP, BMP, GIF, TIFF, PPM, AVIF, HEIC or PDF"
HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"mif1")  # ISO/IEC 23008-12, the first of which phones write
MAX_BYTES = 100_000_000
MAX_PIXELS = 66_000_000  # the largest pictures of today's telephones have 64.2 million
MAX_PIXELS_OF = {  # where the library that unpacks a format holds the picture several times: 500 MB are enough so
    "WEBP": 20_000_000,
    "AVIF": 25_000_000,
    "HEIF": 50_000_000,  # telephones write 48 million
}
WORKING_PIXELS = 3_200_000  # larger pictures are reduced: writing that fills a page is still some 30 pixels high
SMALL = 14  # pixels: writing no higher is small, and read in the picture enlarged
ENLARGED_PIXELS = 500_000  # of a picture that is enlarged
MAX_ELONGATION = 400  # one side against the other: beyond it there is nothing to read
STRIP_PIXELS = 2_000_000  # that are converted at a time
OVER = 1e-3  # floats may be so much over 1, by rounding
PDF_DPI = 200  # dots per inch at which a page is drawn
PDF, TIFF = b"%PDF-", (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # how files of several pages begin
ARRAYS = (
    ".csv", ".tsv", ".arff", ".jsonl", ".libsvm", ".svm", ".npy", ".npz", ".parquet", ".arrow", ".h5", ".hdf5", ".mat",
    "-ubyte", ".idx",
)  # fmt: skip # how files of many images end
PACKED = re.compile(r"\.(gz|bz2|xz)$")
DRAWINGS = b"<svg", b"<?xml", b"<!DOCTYPE svg"
PAGE = re.compile(r"(?P<path>.+)#page=(?P<number>[1-9][0-9]{0,5})", re.DOTALL)  # RFC 8118 names pages of PDF so
ORIENTATION = 0x0112  # EXIF
SIDEWAYS = (5, 6, 7, 8)  # orientations that exchange width and height

LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601

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


def open_image(source: Source, name: str | None = None, *, page: int = 1) -> Picture:
    """Open a picture.

    Of a file with several frames or pages the first is taken; `scan.pdf#page=2` names another. What is transparent
    becomes white where the ink is dark, and black where it is bright.

    Args:
        source: a path; a file's bytes; an open binary file; a PIL image; or an array: bool, uint8, uint16 or float,
            (height, width) or (height, width, channels) with 1 to 4 channels, floats 0–1 or 0–255.
        name: what to call it; otherwise its path, or what it is.
        page: of a file with several, where the path names none; from 1.

    Raises:
        PictureError: it is not a picture, is damaged, or too large; the message says which.
    """
    from PIL import Image

    if isinstance(source, np.ndarray):
        return _from_image(_array_as_image(source), name or "array")
    if isinstance(source, Image.Image):
        return _from_image(source, name or str(getattr(source, "filename", "") or "image"))
    if isinstance(source, str | os.PathLike):
        source, named = split_page(source)
        page = max(page, named)
    content, called = _content(source)
    called = name or (called if page == 1 else f"{called}#page={page}")
    if not content:
        raise PictureError(f"{called} is empty: it has 0 bytes.")
    if len(content) > MAX_BYTES:
        raise PictureError(f"{called} has more than {MAX_BYTES:,} bytes, the most that are read of a picture.")
    return _from_bytes(content, called, page)


def list_pictures(arguments: Sequence[str], passed_over: PassedOver | None = None) -> list[str]:
    """The pictures that arguments name: files, all pictures in and below folders in order of name, `-` as it is.

    A folder that cannot be listed is given like a picture: reading it says what is wrong.

    Args:
        arguments: files, folders and `-`.
        passed_over: counts the files in folders whose names are not those of pictures.
    """
    passed_over = PassedOver() if passed_over is None else passed_over
    found: list[str] = []
    for argument in arguments:
        if not os.path.isdir(argument):
            found.append(argument)
            continue
        closed: list[str] = []
        inside = list(walk(argument, SUFFIXES | {".pdf", ""}, passed_over, closed))
        pictures = [name for name in inside if os.path.splitext(name)[1] or is_picture(name)]
        for name in sorted(set(inside) - set(pictures)):
            passed_over.add(name)
        found.extend([*pictures, *closed] or [argument])  # opening it says that it is a folder
    return [page for name in found for page in _pages(name)]


def _pages(name: str) -> list[str]:
    """The name of a file, or of each of its pages where it has several."""
    count = 1 if name == STANDARD_INPUT else page_count(name)
    return [f"{name}#page={number}" for number in range(1, count + 1)] if count > 1 else [name]


def split_page(path: str | os.PathLike[str]) -> tuple[str, int]:
    """Split the path of a page, such as `scan.pdf#page=2`, into the path of the file and the number, from 1."""
    name = os.fspath(path)
    found = PAGE.fullmatch(name)
    return (found["path"], int(found["number"])) if found and not os.path.exists(name) else (name, 1)


def page_count(source: str | bytes) -> int:
    """Count the pages of a PDF or TIFF file, by its path or content; other or damaged files have one."""
    from PIL import Image

    if isinstance(source, str) and not os.path.isfile(source):  # opening a pipe would wait for a writer
        return 1
    try:
        with open(source, "rb") if isinstance(source, str) else io.BytesIO(source) as file:
            begin = file.read(8)
            if begin.startswith(PDF):
                import pypdfium2

                with pypdfium2.PdfDocument(source) as document:
                    return max(1, len(document))
            if begin.startswith(TIFF):
                with warnings.catch_warnings(), Image.open(file, formats=("TIFF",)) as image:
                    warnings.simplefilter("ignore")
                    return int(getattr(image, "n_frames", 1))
    except Exception:  # whoever opens it as a picture says what is wrong with it
        return 1
    return 1


def is_picture(path: str) -> bool:
    """Tell whether a file begins like one of the formats that can be read."""
    from PIL import Image

    if not os.path.isfile(path):
        return False
    try:
        with open(path, "rb") as file:
            begin = file.read(16)
            if begin.startswith(PDF) or (begin[4:8] == b"ftyp" and begin[8:12] in HEIC_BRANDS):
                return True
            with warnings.catch_warnings(), Image.open(path, formats=FORMATS):
                return True
    except Exception:  # a file of another kind
        return False


def _content(source: Any) -> tuple[bytes, str]:
    """The bytes of a source, and a name for it."""
    if isinstance(source, bytes | bytearray | memoryview):
        content, called = bytes(source[: MAX_BYTES + 1]), "bytes"
    elif isinstance(source, str) and source.startswith(("http://", "https://")):
        raise PictureError(f"{source:.80} is an address. Download the picture first and name the file.")
    elif isinstance(source, str) and source.startswith("data:"):
        raise PictureError("A data URL is not a file. Decode it and pass the bytes.")
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
            os.scandir(path).close()  # says so if it is closed to us
            raise PictureError(f"{short(path)} is a folder: name a picture, or put some into it.")
        if path.exists() and not path.is_file():
            raise PictureError(f"{short(path)} is not a regular file.")  # a pipe could keep us waiting for ever
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise PictureError(f"{short(path)} cannot be read: {getattr(error, 'strerror', None) or error}.") from None


def _from_bytes(content: bytes, name: str, page: int) -> Picture:
    from PIL import Image, UnidentifiedImageError

    if content.startswith(PDF):
        return _from_pdf(content, name, page)
    if content[:200].lstrip().startswith(DRAWINGS):
        raise PictureError(f"{name} is a drawing in SVG or another XML format. Export it as PNG first.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd metadata; what cannot be read at all is an error
            heic = content[4:8] == b"ftyp" and content[8:12] in HEIC_BRANDS
            with Image.open(io.BytesIO(content), formats=(*FORMATS, _heic()) if heic else FORMATS) as image:
                if page > 1:
                    pages = getattr(image, "n_frames", 1)
                    if page > pages:
                        raise PictureError(f"{name} cannot be read: the file has {pages} pages.")
                    image.seek(page - 1)
                return _from_image(image, name)
    except UnidentifiedImageError:
        raise PictureError(f"{name} is not a picture that can be read: it must be {KINDS}.{_hint(name)}") from None
    except Image.DecompressionBombError:
        raise PictureError(f"{name} has more than the {MAX_PIXELS:,} pixels that are read. Reduce it first.") from None
    except PictureError:
        raise
    except Exception as error:  # Pillow's decoders raise a dozen kinds on damaged files
        reason = str(error).strip().rstrip(".") or type(error).__name__
        raise PictureError(f"{name} is damaged: {reason:.200}.") from None


def _from_pdf(content: bytes, name: str, page: int) -> Picture:
    """Draw a page of a PDF file."""
    import pypdfium2

    try:
        with pypdfium2.PdfDocument(content) as document:
            if page > len(document):
                raise PictureError(f"{name} cannot be read: the file has {len(document)} pages.")
            sheet = document[page - 1]
            width, height = sheet.get_size()  # points: 72 to an inch
            scale = min(PDF_DPI / 72, math.sqrt(WORKING_PIXELS / max(width * height, 1.0)))
            if min(width, height) * scale < 1:
                raise PictureError(f"{name} has an empty page.")
            return _from_image(sheet.render(scale=scale).to_pil(), name)
    except pypdfium2.PdfiumError as error:
        raise PictureError(f"{name} is damaged or locked by a password: {str(error).rstrip('.'):.200}.") from None


@cache
def _heic() -> str:
    """Pillow's name for what iPhones write, once it has learnt to open that; it takes a quarter of a second."""
    import pi_heif

    pi_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)
    return "HEIF"


def _from_image(image: Image, name: str) -> Picture:
    """Check a picture's size, unpack it no larger than needed, and turn it upright."""
    width, height = image.size
    most = MAX_PIXELS_OF.get(image.format or "", MAX_PIXELS)
    if width * height > most:
        limit = f"{most:,} that are read" + (f" of {image.format}" if most < MAX_PIXELS else "")
        raise PictureError(f"{name} has {width:,} × {height:,} pixels, more than the {limit}. Reduce it first.")
    if min(width, height) < 1 or max(width, height) > MAX_ELONGATION * min(width, height):
        raise PictureError(f"{name} has {width:,} × {height:,} pixels: nothing can be read in such a strip.")
    orientation = image.getexif().get(ORIENTATION, 1)
    if width * height > WORKING_PIXELS:
        share = math.sqrt(WORKING_PIXELS / (width * height))
        image.draft("RGB", (math.floor(width * share), math.floor(height * share)))  # a JPEG is decoded smaller
    factor = math.ceil(math.sqrt(image.width * image.height / WORKING_PIXELS))
    pixels = _on_paper(_reduce(image, factor))
    return Picture(_upright(pixels, orientation), (height, width) if orientation in SIDEWAYS else (width, height), name)


def _reduce(image: Image, factor: int) -> np.ndarray:
    """A picture of any of Pillow's modes at a part of its size: uint8 (height, width, 3 or 4), RGB or RGBA.

    It is converted in strips, since a picture in another mode may take several times the memory.
    """
    width, height = image.size
    rows = factor * max(1, STRIP_PIXELS // (width * factor))
    strips = []
    top = _top(image) if image.mode.startswith("I;16") or image.mode in ("I", "F") else 0.0
    clear = "transparency" in image.info or image.mode in ("RGBA", "LA", "La", "RGBa", "PA")
    for upper in range(0, height, rows):
        strip = image if rows >= height else image.crop((0, upper, width, min(upper + rows, height)))
        if top:
            strip = _array_as_image(np.asarray(strip), top)
        if "transparency" in image.info:
            strip.info["transparency"] = image.info["transparency"]
        strip = strip.convert("RGBA" if clear else "RGB")
        if factor > 1:  # colours count by how much of them is seen
            strip = strip.convert("RGBa").reduce(factor).convert("RGBA") if clear else strip.reduce(factor)
        strips.append(np.asarray(strip))
    return np.concatenate(strips) if len(strips) > 1 else strips[0]


def _top(image: Image) -> float:
    """The number that white has in a picture of 16 bits, whole numbers or floats."""
    low, high = image.getextrema()
    return _scale(np.dtype(np.float32 if image.mode == "F" else np.int32), float(low), float(high))  # type: ignore[arg-type] # one band


def _upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Pixels (height, width, 3) turned as EXIF's orientation says (CIPA DC-008, section 4.6.4)."""
    if orientation in SIDEWAYS:
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def _on_paper(pixels: np.ndarray) -> np.ndarray:
    """RGB pixels, uint8 (height, width, 3); what is transparent becomes white or black, unlike the opaque part."""
    if pixels.shape[2] == 3:
        return pixels
    if pixels[:, :, 3].min() == 255:
        return np.ascontiguousarray(pixels[:, :, :3])
    alpha = pixels[:, :, 3:].astype(np.float32) / 255
    colours = pixels[:, :, :3]
    seen = float(alpha.sum())
    mean = float((colours * alpha).sum(axis=(0, 1)) @ LUMINANCE) / seen if seen else 0.0
    paper = 255.0 if mean < 128 else 0.0
    return np.rint(colours * alpha + paper * (1 - alpha)).astype(np.uint8)


def _array_as_image(array: np.ndarray, top: float | None = None) -> Image:
    """An array as an image of 8 bits; `top` is the number that white has, None to find it."""
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
    if array.dtype != np.uint8:
        top = top or _scale(array.dtype, float(array.min()), float(array.max()))
        array = np.rint(np.clip(array.astype(np.float32), 0, top) * np.float32(255 / top)).astype(np.uint8)
    return Image.fromarray(array[:, :, 0] if array.ndim == 3 and channels == 1 else array)


def _scale(kind: np.dtype[Any], low: float, high: float) -> float:
    """The number that white has, by the type and the range of the numbers.

    That is 1 for bool and for floats up to 1, 255 up to there, and for more the smallest that cameras and scanners use:
    10, 12, 14 or 16 bits.
    """
    if kind.kind == "b" or (kind.kind == "f" and high <= 1 + OVER):
        top = 1.0
    else:
        top = next((float(each) for each in (255, 1023, 4095, 16383) if high <= each + OVER), 65535.0)
    if low < -OVER * top or high > top * (1 + OVER):
        raise PictureError(
            f"An array's numbers must be 0–1, 0–255 or 0–65535; received {kind} from {low:g} to {high:g}."
        )
    return top


def is_array_file(name: str) -> bool:
    """Tell whether a file is named like a table or an array of images.

    >>> is_array_file("test.csv.gz"), is_array_file("mnist.arff"), is_array_file("7.png")
    (True, True, False)
    """
    return PACKED.sub("", name.lower()).endswith(ARRAYS)


def _hint(name: str) -> str:
    """The command for images in a table or an array, if a file is named like one."""
    return f" For the images in it: mnistry predict MODEL --dataset {shlex.quote(name)}" if is_array_file(name) else ""


def enlarge(picture: Picture, height: float) -> Picture | None:
    """The picture at twice its size, or None where its lines of writing are high, or there are none."""
    if not 0 < height <= SMALL or picture.pixels.shape[0] * picture.pixels.shape[1] > ENLARGED_PIXELS:
        return None
    rows, columns = picture.pixels.shape[:2]
    pixels = resize(picture.pixels, 2 * rows, 2 * columns)
    return replace(picture, pixels=np.rint(np.clip(pixels, 0, 255)).astype(np.uint8))
