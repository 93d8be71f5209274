"""Pictures of all kinds come out as the same pixels, and anything else becomes one sentence."""

from __future__ import annotations

import io
import os
import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import mnistry
from mnistry.errors import PictureError
from mnistry.ocr import image_io
from mnistry.ocr.image_io import MAX_BYTES, MAX_PIXELS, WORKING_PIXELS, is_picture, open_image, page_count

PHONE = Path(__file__).parents[1] / "pictures" / "208.heic"
UPRIGHT = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]], [[9, 9, 9], [99, 99, 99], [199, 199, 199]]], np.uint8)


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def png(width: int, height: int, *, colour: int = 0, data: bytes = b"") -> bytes:
    """A PNG file that claims a size, whatever its content."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "AVIF"])
def test_every_kind_of_file_gives_its_pixels(kind):
    options = (
        {"lossless": True} if kind == "WEBP" else {"quality": 100, "subsampling": "4:4:4"} if kind == "AVIF" else {}
    )
    large = np.kron(UPRIGHT, np.ones((8, 8, 1), np.uint8))
    picture = open_image(saved(Image.fromarray(large), kind, **options))
    assert picture.size == (24, 16)
    assert picture.pixels.dtype == np.uint8
    np.testing.assert_allclose(picture.pixels.astype(int), large, atol=12 if kind == "AVIF" else 0)


def test_a_phones_picture_is_read_and_turned_upright():
    picture, turned = (open_image(PHONE.with_stem(stem)) for stem in ("208", "208_on_its_side"))
    assert picture.size == turned.size == (300, 150)
    assert picture.pixels.shape == (150, 300, 3)
    assert picture.pixels.max() > 235
    assert np.abs(picture.pixels.astype(int) - turned.pixels).mean() < 2
    for source in (picture.pixels, turned.pixels):
        assert mnistry.Recognizer.load().read(source).text == "208"


@pytest.mark.parametrize(
    ("mode", "value", "expected"),
    [
        ("1", 1, (255, 255, 255)),
        ("L", 77, (77, 77, 77)),
        ("P", 0, (0, 0, 0)),
        ("RGB", (1, 2, 3), (1, 2, 3)),
        ("CMYK", (0, 255, 255, 0), (255, 0, 0)),
        ("I;16", 51400, (200, 200, 200)),
        ("F", 0.5, (128, 128, 128)),
    ],
)
def test_every_mode_becomes_rgb(mode, value, expected):
    picture = open_image(Image.new(mode, (5, 4), value))
    assert picture.pixels.shape == (4, 5, 3)
    assert tuple(picture.pixels[2, 2]) == expected


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
@pytest.mark.parametrize(("ink", "paper"), [(20, 255), (230, 0)])
def test_what_is_transparent_becomes_paper_that_the_ink_stands_out_from(mode, ink, paper):
    levels = (ink, ink, ink, 0) if mode == "RGBA" else (ink, 0)
    image = Image.new(mode, (6, 6), levels)
    image.putpixel((3, 3), (*levels[:-1], 255))
    picture = open_image(saved(image, "PNG"))
    assert picture.pixels[3, 3].tolist() == [ink] * 3
    assert picture.pixels[0, 0].tolist() == [paper] * 3


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_turns_a_picture_upright(orientation):
    """The file is stored as the orientation says it was held; Pillow's own transpositions undo it."""
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    upright = Image.fromarray(UPRIGHT)
    stored = upright.transpose(undo[orientation]) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = open_image(saved(stored, "PNG", exif=exif))
    assert picture.size == (3, 2)
    np.testing.assert_array_equal(picture.pixels, UPRIGHT)


def test_arrays_of_all_types_mean_the_same():
    grey = np.array([[0, 51], [102, 255]], np.uint8)
    expected = np.repeat(grey[:, :, None], 3, axis=2)
    for array in (
        grey,
        grey[:, :, None],
        expected,
        grey.astype(np.uint16) * 257,
        grey.astype(np.int64),
        grey / 255,
        grey.astype(np.float32),
    ):
        np.testing.assert_array_equal(open_image(array).pixels, expected)
    np.testing.assert_array_equal(open_image(grey > 99).pixels, np.where(expected > 99, 255, 0))


def test_a_path_bytes_a_file_and_an_image_are_the_same(tmp_path: Path):
    path = tmp_path / "picture.png"
    Image.fromarray(UPRIGHT).save(path)
    content = path.read_bytes()
    with path.open("rb") as file:
        sources = [path, str(path), content, bytearray(content), memoryview(content), file, Image.open(path)]
        for source in sources:
            np.testing.assert_array_equal(open_image(source).pixels, UPRIGHT)
    assert open_image(path).name == str(path)
    assert open_image(path, "mine").name == "mine"


def test_of_several_frames_the_first_is_read():
    frames = [Image.new("L", (8, 8), level) for level in (10, 200)]
    for kind in ("GIF", "TIFF", "WEBP", "PNG"):
        options = {"lossless": True} if kind == "WEBP" else {}
        content = saved(frames[0], kind, save_all=True, append_images=frames[1:], **options)
        assert int(open_image(content).pixels.max()) == 10


def test_large_pictures_are_reduced_and_keep_their_size():
    picture = open_image(saved(Image.new("RGB", (4000, 3000), "white"), "JPEG"))
    assert picture.size == (4000, 3000)
    height, width = picture.pixels.shape[:2]
    assert WORKING_PIXELS / 3 < height * width <= WORKING_PIXELS
    assert width / height == pytest.approx(4 / 3, rel=0.01)


def test_a_table_or_an_array_names_the_command_for_the_images_in_it(tmp_path):
    (tmp_path / "my test.csv").write_text("label,pixel0\n")
    with pytest.raises(PictureError, match=r"For the images in it: mnistry predict MODEL --dataset '.*my test"):
        open_image(tmp_path / "my test.csv")


def test_small_pictures_keep_every_pixel():
    noise = np.random.default_rng(0).integers(0, 256, (700, 900), dtype=np.uint8)
    assert (open_image(noise).pixels[:, :, 0] == noise).all()


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        (b"", "bytes is empty: it has 0 bytes."),
        (b"hello, world", "bytes is not a picture that can be read: it must be PNG, JPEG, WebP"),
        (b"%PDF-1.7", "bytes is damaged or locked by a password"),
        (saved(Image.new("L", (90, 90)), "PNG")[:60], "bytes is damaged: "),
        (saved(Image.new("L", (90, 90)), "JPEG")[:400], "bytes is "),
        (png(50_000, 50_000), "bytes has more than the 66,000,000 pixels that are read. Reduce it first."),
        (png(4_000, 2), "bytes has 4,000 × 2 pixels: nothing can be read in such a strip."),
        (np.full((4, 4), np.nan), "An array must hold finite numbers; it has NaN or infinite ones."),
        (np.full((4, 4), np.inf), "An array must hold finite numbers"),
        (np.zeros((4, 4, 5)), "An array must be (height, width) or (height, width, channels) with 1 to 4 channels"),
        (np.zeros(4), "received float64 (4,)."),
        (np.zeros((0, 4)), "An array must have 1 to 66,000,000 pixels; received (0, 4)."),
        (np.array([["a"]]), "bool, integer or float; received <U1 (1, 1)."),
        (np.full((4, 4), -1), "An array's numbers must be 0–1, 0–255 or 0–65535; received int64 from -1 to -1."),
        (np.full((4, 4), 1e6), "received float64 from 1e+06 to 1e+06."),
        (7, "A picture is a path, bytes, a binary file, a PIL image or a NumPy array; received builtins.int."),
        (io.StringIO("text"), "must be opened in binary mode; it gave str."),
        ("nowhere.png", "nowhere.png cannot be read: No such file or directory."),
        ("a\0b", "cannot be read: embedded null byte."),
        (".", ". is a folder: name a picture, or put some into it."),
        (os.devnull, "/dev/null is not a regular file."),
    ],
)
def test_what_is_no_picture_is_said_in_a_sentence(source, sentence):
    with pytest.raises(PictureError) as caught:
        open_image(source)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_with_too_many_bytes_is_not_read(tmp_path: Path):
    path = tmp_path / "large.png"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(PictureError, match="has more than 100,000,000 bytes"):
        open_image(path)


def test_a_decompression_bomb_takes_no_memory():
    bomb = png(MAX_PIXELS // 1000, 1000 + 1, data=bytes(1_000_000))
    tracemalloc.start()
    with pytest.raises(PictureError, match="more than the 66,000,000 that are read"):
        open_image(bomb)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10_000_000


def test_fuzzed_files_never_raise_anything_else():
    random = np.random.default_rng(0)
    image = Image.fromarray(random.integers(0, 256, (24, 24, 3), dtype=np.uint8))
    seeds = [saved(image, kind) for kind in ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "AVIF")]
    seeds.append(PHONE.read_bytes())
    opened, sentences = 0, []
    for number in range(800):
        content = bytearray(seeds[number % len(seeds)])
        for _ in range(int(random.integers(1, 8))):
            content[int(random.integers(len(content)))] = int(random.integers(256))
        content = content[: int(random.integers(1, len(content)))] if random.random() < 0.2 else content
        try:
            opened += open_image(bytes(content)).pixels.size > 0
        except PictureError as error:
            sentences.append(str(error))
    assert opened > 50
    assert max(len(sentence) for sentence in sentences) < 400


def test_every_promised_kind_can_be_opened():
    assert all(
        name.upper() in {kind.upper() for kind in image_io.FORMATS}
        for name in ("PNG", "JPEG", "WebP", "BMP", "GIF", "TIFF")
    )


def test_each_page_of_a_file_is_named_and_read(tmp_path):
    sheets = [Image.new("L", (60, 40), level) for level in (255, 128, 0)]
    for name in ("scan.tif", "scan.pdf"):
        sheets[0].save(tmp_path / name, save_all=True, append_images=sheets[1:])
        path = str(tmp_path / name)
        assert page_count(path) == page_count((tmp_path / name).read_bytes()) == 3
        assert [open_image(f"{path}#page={page}").pixels[20, 30, 0] for page in (1, 2, 3)] == [255, 128, 0]
        assert open_image(path).pixels[20, 30, 0] == 255
        assert open_image(f"{path}#page=2").name.endswith("#page=2")
        with pytest.raises(PictureError, match="the file has 3 pages"):
            open_image(f"{path}#page=4")


def test_other_files_have_one_page(tmp_path):
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "odd.pdf").write_bytes(b"%PDF-1.7")
    assert [page_count(str(tmp_path / name)) for name in ("notes.txt", "odd.pdf", "nowhere")] == [1, 1, 1]


def test_a_picture_is_known_by_how_it_begins(tmp_path):
    (tmp_path / "README").write_text("no picture")
    Image.new("L", (9, 9)).save(tmp_path / "one", "PNG")
    (tmp_path / "two").write_bytes(b"%PDF-1.7")
    assert [is_picture(str(tmp_path / name)) for name in ("README", "one", "two", "nowhere")] == [
        False,
        True,
        True,
        False,
    ]


@pytest.mark.parametrize("over", [0.0, 2e-7, 1e-4])
def test_floats_a_hair_over_one_are_white(over):
    assert open_image(np.array([[0.0, 0.5, 1.0 + over]])).pixels[0, :, 0].tolist() == [0, 128, 255]


@pytest.mark.parametrize("bits", [10, 12, 14, 16])
def test_numbers_of_cameras_and_scanners_fill_the_range(bits):
    most = 2**bits - 1
    pixels = open_image(np.array([[0, most // 2, most]], np.uint16)).pixels[0, :, 0]
    np.testing.assert_allclose(pixels, [0, 127, 255], atol=1)


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("https://somewhere.invalid/digit.png", "is an address. Download the picture first"),
        ("data:image/png;base64,AAAA", "A data URL is not a file"),
        (b'<svg viewBox="0 0 9 9"></svg>', "is a drawing in SVG"),
        (b'<?xml version="1.0"?><svg></svg>', "is a drawing in SVG"),
    ],
)
def test_what_is_no_file_of_pixels_gets_a_sentence(source, told):
    with pytest.raises(PictureError, match=told):
        open_image(source)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "I;16", "F", "CMYK"])
def test_a_large_picture_of_any_mode_looks_like_a_small_one(mode):
    levels = np.zeros((2500, 2000), np.uint8)
    levels[:, :1000] = 200
    levels[0, 0] = 255
    if mode in ("I;16", "F"):
        image = Image.fromarray(levels * np.uint16(257) if mode == "I;16" else levels.astype(np.float32))
    else:
        image = Image.fromarray(levels).convert("RGB").convert(mode)
    pixels = open_image(image).pixels
    assert pixels.shape == (1250, 1000, 3)
    assert abs(int(pixels[600, 250, 0]) - 200) <= 4  # a palette has 204
    assert pixels[600, 750, 0] <= 2


def test_formats_that_take_much_memory_have_a_lower_limit():
    sink = io.BytesIO()
    Image.new("RGB", (5000, 4200)).save(sink, "WEBP", lossless=True, method=0)
    with pytest.raises(PictureError, match="more than the 20,000,000 that are read of WEBP"):
        open_image(sink.getvalue())
