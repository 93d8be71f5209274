"""Vector drawings made of boxes, lines, texts and images, written as SVG for pages and as PNG for files.

An SVG takes its colours from the page, where the page defines them, so that dark mode reaches the figures too.
"""

from __future__ import annotations

import base64
import html
import io
import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mnistry.reporting.language import ENGLISH, Message
from mnistry.reporting.language import count_columns as columns_of

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

# On white. Blue and orange are those of Okabe and Ito's palette, which all kinds of colour vision tell apart.
COLOURS = {
    "ink": "#1f2933",
    "soft": "#52606d",
    "line": "#d9e2ec",
    "faint": "#9aa5b1",
    "paper": "#ffffff",
    "blue": "#0072b2",
    "orange": "#d55e00",
}
STANDALONE = ' xmlns="http://www.w3.org/2000/svg" font-family="system-ui, sans-serif"'  # of a file of its own
SIZE = 12.0  # of letters, in the drawing's units
SCALE, FINER = 2, 2  # pixels of a PNG a unit; drawn finer and then reduced, so that edges are smooth
FONTS = (  # for letters that the usual font lacks, where one is installed
    "NotoSansCJK-Regular.ttc", "NanumGothic.ttf", "malgun.ttf", "AppleSDGothicNeo.ttc", "msgothic.ttc",
    "NotoSans-Regular.ttf", "DejaVuSans.ttf",
)  # fmt: skip

Point = tuple[float, float]


@dataclass(frozen=True)
class Box:
    """A filled rectangle; `striped` draws stripes in the colour of the paper over it."""

    x: float
    y: float
    width: float
    height: float
    fill: str
    striped: bool = False


@dataclass(frozen=True)
class Polyline:
    """A line through points, or the area that they enclose where `fill` names a colour."""

    points: tuple[Point, ...]
    stroke: str | None = None
    width: float = 1.0
    dashed: bool = False
    fill: str | None = None


@dataclass(frozen=True)
class Text:
    """A line of text; `y` is its middle, and `x` its left end, middle or right end."""

    x: float
    y: float
    text: str | Message
    anchor: str = "middle"  # or "start", "end"
    size: float = SIZE
    fill: str = "ink"
    bold: bool = False
    upright: bool = False  # turned by 90° to the left

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom, with the width of the letters estimated."""
        long, high = estimate_width(str(self.text), self.size), self.size
        start = {"start": 0.0, "middle": long / 2, "end": long}[self.anchor]
        if self.upright:
            return self.x - high / 2, self.y - long + start, self.x + high / 2, self.y + start
        return self.x - start, self.y - high / 2, self.x - start + long, self.y + high / 2


@dataclass(frozen=True, eq=False)
class Pixels:
    """A picture, uint8 (height, width) of greys or (height, width, 3) of colours, drawn with hard edges."""

    x: float
    y: float
    width: float
    height: float
    pixels: np.ndarray


Part = Box | Polyline | Text | Pixels


@dataclass
class Drawing:
    """Parts in drawing order, on a sheet of a size of its own; lengths are in CSS pixels."""

    width: float
    height: float
    parts: list[Part] = field(default_factory=list)

    def box(self, x: float, y: float, width: float, height: float, fill: str, *, striped: bool = False) -> None:
        """Add a filled rectangle."""
        self.parts.append(Box(x, y, width, height, fill, striped))

    def line(self, points: Sequence[Point], stroke: str, width: float = 1.0, *, dashed: bool = False) -> None:
        """Add a line through points."""
        self.parts.append(Polyline(tuple(points), stroke, width, dashed))

    def area(self, points: Sequence[Point], fill: str) -> None:
        """Add a filled area."""
        self.parts.append(Polyline(tuple(points), fill=fill))

    def disc(self, x: float, y: float, radius: float, fill: str) -> None:
        """Add a disc."""
        angles = np.linspace(0, 2 * math.pi, 24, endpoint=False)
        self.area([(x + radius * math.cos(angle), y + radius * math.sin(angle)) for angle in angles], fill)

    def text(self, x: float, y: float, text: str | Message, **style: Any) -> None:
        """Add a line of text."""
        self.parts.append(Text(x, y, text, **style))

    def pixels(self, x: float, y: float, width: float, height: float, pixels: np.ndarray) -> None:
        """Add a picture."""
        self.parts.append(Pixels(x, y, width, height, pixels))

    @property
    def texts(self) -> list[Text]:
        """The texts among the parts."""
        return [part for part in self.parts if isinstance(part, Text)]

    def svg(self, attributes: str = "", say: Callable[[str | Message], str] | None = None) -> str:
        """The drawing as an SVG element.

        Args:
            attributes: of the element, such as its label; with a blank before.
            say: turns a text into the content of a `<text>` element; None says it in English.
        """
        say = say or (lambda text: html.escape(str(text), quote=False))
        parts = "".join(_svg(part, say) for part in self.parts)
        size = f'viewBox="0 0 {self.width:g} {self.height:g}" width="{self.width:g}" height="{self.height:g}"'
        return f"<svg {size}{attributes}>{parts}</svg>"

    def save(self, path: Path) -> None:
        """Write a PNG, in English; letters that no font of the machine has become boxes."""
        save_png(self.paint(), path)

    def paint(self) -> Image.Image:
        """The drawing as a picture, finer than that of a PNG."""
        from PIL import Image, ImageDraw

        scale = SCALE * FINER
        image = Image.new("RGB", (round(self.width * scale), round(self.height * scale)), COLOURS["paper"])
        draw = ImageDraw.Draw(image)
        for part in self.parts:
            _paint(image, draw, part, scale)
        return image

    def _repr_svg_(self) -> str:
        """The drawing in a notebook."""
        return self.svg(f'{STANDALONE} style="background:#fff;max-width:100%;height:auto"')


def make_data_url(pixels: np.ndarray) -> str:
    """Write an image, uint8 (height, width), as a PNG inside a data URL."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode("ascii")


def save_png(painted: Image.Image, path: Path) -> None:
    """Write a painted drawing; other threads go on meanwhile."""
    painted.reduce(FINER).save(path, "PNG", compress_level=3)


def estimate_width(text: str, size: float = SIZE) -> float:
    """The width of a text, estimated: letters and digits take 0.56 of their height, wide characters all of it."""
    return 0.56 * size * columns_of(text)


def _colour(name: str) -> str:
    """A colour in CSS: one of the page's own where it has a name."""
    return f"var(--{name},{COLOURS[name]})" if name in COLOURS else name


def _n(value: float) -> str:
    return f"{value:.1f}".rstrip("0").rstrip(".")


def _svg(part: Part, say: Callable[[str | Message], str]) -> str:
    if isinstance(part, Box):
        shape = f'x="{_n(part.x)}" y="{_n(part.y)}" width="{_n(part.width)}" height="{_n(part.height)}"'
        lines = "".join(_svg(stripe, say) for stripe in _stripes(part)) if part.striped else ""
        return f'<rect {shape} style="fill:{_colour(part.fill)}"/>{lines}'
    if isinstance(part, Polyline):
        points = " ".join(f"{_n(x)},{_n(y)}" for x, y in part.points)
        if part.fill is not None:
            return f'<polygon points="{points}" style="fill:{_colour(part.fill)}"/>'
        dashes = ";stroke-dasharray:4 3" if part.dashed else ""
        style = f"fill:none;stroke:{_colour(part.stroke or 'ink')};stroke-width:{_n(part.width)}{dashes}"
        return f'<polyline points="{points}" style="{style}"/>'
    if isinstance(part, Pixels):
        shape = f'x="{_n(part.x)}" y="{_n(part.y)}" width="{_n(part.width)}" height="{_n(part.height)}"'
        style = "image-rendering:pixelated"
        return f'<image {shape} preserveAspectRatio="none" style="{style}" href="{make_data_url(part.pixels)}"/>'
    turned = f' transform="rotate(-90 {_n(part.x)} {_n(part.y)})"' if part.upright else ""
    weight = ";font-weight:600" if part.bold else ""
    style = f"fill:{_colour(part.fill)};font-size:{_n(part.size)}px{weight}"
    place = f'x="{_n(part.x)}" y="{_n(part.y + 0.36 * part.size)}" text-anchor="{part.anchor}"'
    return f'<text {place}{turned} style="{style}">{say(part.text)}</text>'


def _stripes(box: Box) -> list[Polyline]:
    """Slanted lines over a box, inside it."""
    gap, stripes = 5.0, []
    for start in np.arange(-box.height + gap, box.width, gap):
        low, high = max(0.0, float(start)), min(box.width, float(start) + box.height)
        points = tuple((box.x + along, box.y + box.height - (along - start)) for along in (low, high))
        stripes.append(Polyline(points, "paper", 1.2))
    return stripes


def _paint(image: Image.Image, draw: ImageDraw.ImageDraw, part: Part, scale: int) -> None:
    def at(points: Sequence[Point]) -> list[Point]:
        return [(x * scale, y * scale) for x, y in points]

    if isinstance(part, Box):
        low, high = at([(part.x, part.y), (part.x + part.width, part.y + part.height)])
        if high[0] - low[0] >= 1 and high[1] - low[1] >= 1:
            draw.rectangle((*low, high[0] - 1, high[1] - 1), COLOURS.get(part.fill, part.fill))
        for stripe in _stripes(part) if part.striped else []:
            _paint(image, draw, stripe, scale)
    elif isinstance(part, Polyline):
        if part.fill is not None:
            draw.polygon(at(part.points), COLOURS.get(part.fill, part.fill))
            return
        colour = COLOURS.get(part.stroke or "ink", part.stroke or "ink")
        for points in _dashes(part.points) if part.dashed else [part.points]:
            draw.line(at(points), colour, max(1, round(part.width * scale)), joint="curve")
    elif isinstance(part, Pixels):
        from PIL import Image

        size = round(part.width * scale), round(part.height * scale)
        picture = Image.fromarray(part.pixels).resize(size, Image.Resampling.NEAREST)
        image.paste(picture, (round(part.x * scale), round(part.y * scale)))
    else:
        _write(image, draw, part, scale)


def _dashes(points: Sequence[Point]) -> list[tuple[Point, Point]]:
    """A line as dashes of 4 units, 3 apart."""
    dashes = []
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        length = math.hypot(x1 - x0, y1 - y0)
        for start in np.arange(0, length, 7.0):
            ends = (float(start) / length, min(1.0, float(start + 4) / length))
            dashes.append(tuple((x0 + t * (x1 - x0), y0 + t * (y1 - y0)) for t in ends))
    return dashes  # type: ignore[return-value] # two points each


def _write(image: Image.Image, draw: ImageDraw.ImageDraw, part: Text, scale: int) -> None:
    from PIL import Image, ImageDraw

    content = ENGLISH.say(part.text)
    font = _font(round(part.size * scale), content.replace("·", "").isascii())
    anchor = {"start": "lm", "middle": "mm", "end": "rm"}[part.anchor]
    colour, weight = COLOURS.get(part.fill, part.fill), scale // 6 if part.bold else 0
    style: Any = {"font": font, "anchor": anchor, "stroke_width": weight}
    if not part.upright:
        draw.text((part.x * scale, part.y * scale), content, colour, **style)
        return
    side = math.ceil(draw.textlength(content, font)) + 2 * scale, round(2 * part.size * scale)
    mask = Image.new("L", side, 0)
    ImageDraw.Draw(mask).text((side[0] / 2, side[1] / 2), content, 255, **(style | {"anchor": "mm"}))
    mask = mask.transpose(Image.Transpose.ROTATE_90)
    left, top, right, bottom = (value * scale for value in part.extent)
    place = round((left + right - mask.width) / 2), round((top + bottom - mask.height) / 2)
    image.paste(colour, (*place, place[0] + mask.width, place[1] + mask.height), mask)


@cache
def _font(size: int, plain: bool) -> Any:
    from PIL import ImageFont

    for name in () if plain else FONTS:
        try:
            return ImageFont.truetype(name, size)
        except OSError:
            continue
    return ImageFont.load_default(size)
