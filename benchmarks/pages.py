"""Composed pages: how much of each kind is read exactly, what is lost, invented, and sure and wrong.

    MNISTRY_DATA_DIR=... python benchmarks/pages.py [SEED [EACH [KIND...]]]

Every picture is composed from a seed: by a hand that is made of MNIST's test digits, of drawn strokes, or of a font; on
paper that is scanned, or photographed in uneven light. The reader was developed with other seeds than the default one.
"""

from __future__ import annotations

import functools
import statistics
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from mnistry import Reading, Recognizer
from mnistry.runtime import files, provenance
from sheets import BLACK, BLUE, CHALK, GREY, RED, WHITE, WORDS, Sheet, compressed, curve

RESULT = Path(__file__).parent / "results" / "pages.json"
SEED, EACH = 2028, 12
Random = np.random.Generator
Composed = tuple[Image.Image, str]


def main(seed: str = str(SEED), each: str = str(EACH), *chosen: str) -> None:
    """Compose and read all pages; for the default seed and number write `results/pages.json`."""
    recognizer = Recognizer.load(threads=1)
    kinds: dict[str, dict[str, Any]] = {}
    for name, compose in KINDS.items():
        if not chosen or any(name.startswith(kind) for kind in chosen):
            pages = [compose(np.random.default_rng([int(seed), *name.encode(), i])) for i in range(int(each))]
            kinds[name] = score(name, [(recognizer.read(image), label) for image, label in pages])
            print(name, kinds[name], flush=True)
    model = {"name": recognizer.info.name, "version": recognizer.info.version}
    content = {"command": "python benchmarks/pages.py", "seed": int(seed), "model": model, "kinds": kinds}
    if not chosen and (int(seed), int(each)) == (SEED, EACH):
        files.write_json(RESULT, content | {"environment": provenance.describe_environment()})
    print(table(content))


def score(name: str, read: list[tuple[Reading, str]]) -> dict[str, Any]:
    """Count the pages that are read exactly, and digits; blanks count where they are what the page is about."""
    counts = dict.fromkeys(("exact", "digits", "lost", "invented", "sure_and_wrong"), 0)
    for reading, label in read:
        found, wanted = (text if name in BLANKS else text.replace(" ", "") for text in (reading.text, label))
        flat = "".join(filter(str.isdigit, label))
        names = "".join(each.name for each in reading.digits)
        sure = "".join(each.name for each in reading.digits if each.sure)
        counts["exact"] += found == wanted
        counts["digits"] += len(flat)
        counts["lost"] += len(flat) - common(names, flat)
        counts["invented"] += len(names) - common(names, flat)
        counts["sure_and_wrong"] += len(sure) - common(sure, flat)
    return {"n": len(read), **counts}


def common(one: str, other: str) -> int:
    """The length of the longest common subsequence."""
    row = [0] * (len(other) + 1)
    for a in one:
        last, row = row, [0]
        for j, b in enumerate(other, start=1):
            row.append(last[j - 1] + 1 if a == b else max(last[j], row[j - 1]))
    return row[-1]


def number(random: Random, least: int, most: int) -> str:
    """Random digits, from `least` to `most` of them."""
    return "".join(random.choice(list("0123456789"), random.integers(least, most + 1)))


def one_line(
    text: Callable[[Random], str],
    height: tuple[float, float] = (28, 70),
    gap: tuple[float, float] = (0.22, 0.22),
    label: Callable[[str], str] = str,
) -> Callable[[Random], Composed]:
    """Compose one line of writing on a sheet of its own, as high and with such gaps; the lowest is always scanned."""

    def compose(random: Random) -> Composed:
        written, high = text(random), random.uniform(*height)
        sheet = Sheet(random, high * (1.8 + 1.1 * len(written)), high * 2.6, ink=BLACK if high < 15 else None)
        sheet.put(written, high * 0.9, high * 0.8, high, gap=random.uniform(*gap))
        return sheet.image() if high < 9 else sheet.taken(), label(written)

    return compose


def lines(random: Random, least: int = 2, most: int = 6, count: tuple[int, int] = (2, 6), gap: float = 1.7) -> Composed:
    """Several lines, or a column of numbers."""
    texts, height = [number(random, least, most) for _ in range(random.integers(*count))], random.uniform(24, 45)
    sheet = Sheet(random, height * 8, height * (1 + gap * len(texts)))
    for i, text in enumerate(texts):
        sheet.put(text, height * random.uniform(0.6, 0.9), height * (0.6 + gap * i), height)
    return sheet.taken(), "\n".join(texts)


def printed(random: Random) -> Composed:
    """A number in print."""
    text, height = number(random, 3, 8), random.uniform(14, 50)
    sheet = Sheet(random, height * (2 + 0.9 * len(text)), height * 2.5)
    sheet.print(text, height * 0.8, height * 0.7, height)
    return sheet.taken(), text


def boxes(random: Random) -> Composed:
    """A box or a comb for each digit."""
    text, side = number(random, 3, 8), random.uniform(36, 70)
    height, between = side * random.uniform(0.55, 0.8), random.choice([0.0, 0.0, 0.25]) * side
    sheet = Sheet(random, side * 1.2 + (side + between) * len(text), side * 2)
    colour, width = [BLACK, GREY, RED, (90, 140, 200)][random.integers(4)], random.uniform(1, 3)
    comb = random.random() < 0.25
    for i, name in enumerate(text):
        left = side * 0.6 + (side + between) * i
        corners = [(left, side / 2 + comb * 0.3 * side), (left, side * 1.5), (left + side, side * 1.5)]
        corners += [(left + side, side / 2 + comb * 0.3 * side)] + ([] if comb else [(left, side / 2)])
        sheet.line(corners, colour, width)
        sheet.put(name, left + side * random.uniform(0.2, 0.35), side + height * random.uniform(-0.55, -0.4), height)
    return sheet.taken(), text


def frames(random: Random) -> Composed:
    """A number in a box, a dashed or round box, or a circle."""
    text, height = number(random, 1, 5), random.uniform(30, 60)
    sheet = Sheet(random, height * (3 + len(text)), height * 3)
    right = sheet.put(text, height * 1.2, height, height)
    margin, kind = height * random.uniform(0.25, 0.6), str(random.choice(["box", "round", "dashed", "circle"]))
    across, down = (margin + 0.2 * (right - height), margin + 0.2 * height) if kind == "circle" else (margin, margin)
    box = height * 1.2 - across, height - down, right + across, 2 * height + down
    sheet.frame(box, sheet.ink if random.random() < 0.5 else RED, random.uniform(1.5, 4), kind)
    return sheet.taken(), text


def cells(random: Random) -> Composed:
    """A crop of a cell with some of its sides."""
    text, side = number(random, 1, 3), random.uniform(40, 90)
    wide, height = side * (0.5 + 0.55 * len(text)), side * random.uniform(0.5, 0.7)
    sheet = Sheet(random, wide + 12, side + 12)
    colour, width = [BLACK, GREY][random.integers(2)], random.uniform(1, 3)
    for k in random.choice(4, random.integers(2, 5), replace=False):  # the sides of the cell that the crop has kept
        x, y = 6 + wide * (k // 2), 6 + side * (k // 2)
        sheet.line([(x, 0), (x, side + 12)] if k % 2 else [(0, y), (wide + 12, y)], colour, width)
    sheet.put(text, 6 + side * random.uniform(0.25, 0.32), 6 + (side - height) * random.uniform(0.4, 0.6), height)
    return sheet.taken(), text


def with_signs(random: Random) -> str:
    """A date, an amount, a telephone number, a sum."""
    a, b, c = (number(random, 2, 4) for _ in range(3))
    return str(random.choice([
        f"{a[:2]}/{b[:2]}/{c}", f"{a[:2]}.{b[:2]}.{c}", f"{a}-{b}", f"({a[:3]}){b}-{c}", f"{a}.{b[:2]}", f"${a}",
        f"{a},{b}", f"{a}%", f"{a[:2]}:{b[:2]}", f"{a}+{b}={c}", f"{a[:2]}×{b[:2]}", f"({a})", f"{a}/{b}", f"#{a}",
        f"{a}|{b}", f"+{a}", f"{a}'{b}", f"-{a}", f"{a}°",
    ]))  # fmt: skip


def beside_sign(random: Random) -> str:
    """One digit beside a sign."""
    form = str(random.choice(["-_", "_°", "_'", "_,", "#_", "(_)", "_.", "+_", "_%", "_)"]))
    return form.replace("_", number(random, 1, 1))


def tables(random: Random) -> Composed:
    """A table, ruled or not."""
    rows, columns, height = random.integers(2, 6), random.integers(2, 5), random.uniform(22, 36)
    texts = [[number(random, 1, 4) for _ in range(columns)] for _ in range(rows)]
    wide, high = height * 4.8, height * random.uniform(1.6, 2.2)
    sheet = Sheet(random, wide * columns + 2 * height, high * rows + 2 * height)
    if random.random() < 0.5:
        colour, width = [BLACK, GREY][random.integers(2)], random.uniform(1, 2.5)
        for x in height + wide * np.arange(columns + 1):
            sheet.line([(x, height), (x, height + high * rows)], colour, width)
        for y in height + high * np.arange(rows + 1):
            sheet.line([(height, y), (height + wide * columns, y)], colour, width)
    for y, row in enumerate(texts):
        for x, text in enumerate(row):
            at = height * random.uniform(1.4, 1.6) + wide * x, height + high * y + (high - height) / 2
            sheet.put(text, *at, height, gap=0.18)
    return sheet.taken(), "\n".join(" ".join(row) for row in texts)


def underlined(random: Random) -> Composed:
    """A number above lines, or under a marker."""
    text, height = number(random, 1, 5), random.uniform(28, 60)
    sheet = Sheet(random, height * (2.5 + len(text)), height * 2.8)
    marker = random.random() < 0.25
    if marker:
        ends = [(height * 0.8, height * 1.1), (height * (1 + 0.9 * len(text)), height * 1.15)]
        sheet.line(ends, (250, 240, 90), height)
    right = sheet.put(text, height, height * 0.6, height)
    for i in range(0 if marker else random.integers(1, 3)):
        y = height * (1.6 + random.uniform(0.05, 0.35) + 0.2 * i)
        ends = [(height * 0.8, y), ((height + right) / 2, y + random.normal(0, 2)), (right + height * 0.2, y)]
        sheet.line(curve(ends), sheet.ink, max(1.0, sheet.thick * height))
    return sheet.taken(), text


def small_zeros(random: Random) -> Composed:
    """Zeros half as high as the other digits."""
    text, height = number(random, 2, 5) + "0", random.uniform(34, 60)
    text = "".join(random.permutation(list(text)))
    sheet, x, share = Sheet(random, height * (2 + len(text)), height * 2.2), height * 0.8, random.uniform(0.4, 0.6)
    for name in text:
        high = height * share if name == "0" else height
        x = sheet.put(name, x, height * 0.6 + random.uniform(0.6, 1) * (height - high), high) + 0.22 * height
    return sheet.taken(), text


def struck_out(random: Random) -> Composed:
    """A number that is struck out beside one that is not."""
    one, other, height = number(random, 2, 4), number(random, 2, 4), random.uniform(34, 60)
    sheet = Sheet(random, height * (3.5 + len(one + other)), height * 2.2)
    right, y = sheet.put(one, height * 0.8, height * 0.6, height), height * random.uniform(1.0, 1.15)
    sheet.line([(height * 0.6, y), (right + height * 0.2, y - random.uniform(0, 6))], sheet.ink, sheet.thick * height)
    sheet.put(other, right + height * 1.2, height * 0.6, height)
    return sheet.taken(), other


def two_lines(random: Random, rulings: tuple[float, float] | None = None, **how: Any) -> tuple[Sheet, str]:
    """A sheet with two numbers, ruled so many heights apart."""
    texts, height = [number(random, 3, 5), number(random, 2, 5)], random.uniform(34, 56)
    sheet = Sheet(random, height * 8, height * 5, **how)
    if rulings is not None:
        colour = [(120, 150, 200), (170, 170, 175), (200, 160, 160), (120, 180, 140)][random.integers(4)]
        sheet.rule(height * random.uniform(*rulings), colour, random.uniform(0.8, 1.6), squared=rulings[0] < 0.5)
    for i, text in enumerate(texts):
        sheet.put(text, height * random.uniform(0.8, 1.6), height * (0.9 + 2 * i), height)
    return sheet, "\n".join(texts)


def shadows(random: Random) -> Composed:
    """A shadow over the page."""
    sheet, label = two_lines(random)
    pixels = np.asarray(sheet.photo(seed=int(random.integers(1 << 30)), dimmest=random.uniform(0.3, 0.7)), np.float32)
    mask = np.zeros(pixels.shape[:2], np.float32)
    cv2.fillPoly(mask, [np.int32(random.uniform(0, 1.6, (4, 2)) * pixels.shape[1::-1])], 1)
    soft = cv2.GaussianBlur(mask, (0, 0), random.uniform(2, 14))[:, :, None]
    return Image.fromarray(np.uint8(pixels * (1 - soft * random.uniform(0.3, 0.6)))), label


def desks(random: Random) -> Composed:
    """A sheet on a desk."""
    sheet, label = two_lines(random, ink=[BLACK, BLUE][random.integers(2)])
    page, share = sheet.photo(seed=int(random.integers(1 << 30)), dimmest=0.7), random.uniform(0.4, 0.9)
    high, wide = round(page.height / share), round(page.width / share)
    wood = np.array([(30, 28, 30), (105, 70, 40), (150, 110, 75), (70, 80, 95)][random.integers(4)])
    grain = random.normal(0, 1, (high, 1, 1)) * random.choice([2, 8]) + random.normal(0, 2, (high, wide, 1))
    desk = Image.fromarray(np.uint8(np.clip(cv2.GaussianBlur(wood + grain, (0, 0), 1.2), 0, 255)))
    turned = page.convert("RGBA").rotate(random.uniform(-4, 4), Image.Resampling.BICUBIC, expand=True)
    desk.paste(turned, ((wide - turned.width) // 2, (high - turned.height) // 2), turned)
    return compressed(desk, random), label


def boards(random: Random) -> Composed:
    """Chalk on a board."""
    sheet, label = two_lines(random, paper=[(30, 32, 34), (28, 70, 50), (20, 30, 60)][random.integers(3)], ink=CHALK)
    pixels = np.asarray(sheet.image(), np.float32)
    dust = cv2.GaussianBlur(random.normal(0, 60, pixels.shape[:2]), (0, 0), 9)[:, :, None] * 2
    dusty = np.clip(pixels + dust + random.normal(0, 4, pixels.shape), 0, 255)
    return compressed(Image.fromarray(np.uint8(dusty)), random), label


def colours(random: Random) -> Composed:
    """Coloured paper."""
    papers, inks = ((240, 225, 110), (190, 150, 105), (205, 225, 205), (240, 205, 205)), (BLACK, BLUE, (130, 20, 40))
    sheet, label = two_lines(random, paper=papers[random.integers(4)], ink=inks[random.integers(3)])
    return sheet.taken(), label


def pencil(random: Random) -> Composed:
    """A pale pencil."""
    sheet, label = two_lines(random, ink=(int(random.integers(140, 185)),) * 3)
    return sheet.photo(seed=int(random.integers(1 << 30)), dimmest=random.uniform(0.5, 0.9)), label


def ruled(random: Random, rulings: tuple[float, float]) -> Composed:
    """Ruled or squared paper."""
    sheet, label = two_lines(random, rulings)
    image = sheet.photo(seed=int(random.integers(1 << 30)), dimmest=random.uniform(0.4, 0.9))
    return image.rotate(random.uniform(-2, 2), Image.Resampling.BICUBIC, fillcolor=(150, 147, 140)), label


def labels(random: Random) -> Composed:
    """A word before a number."""
    word, text, height = str(random.choice(WORDS)), number(random, 2, 6), random.uniform(26, 52)
    sheet = Sheet(random, height * (4 + 0.9 * len(word + text)), height * 2.6)
    write = [sheet.letters, sheet.print][random.integers(2)]
    x = height * 0.7 + write(word, height * 0.7, height * 0.8, height) + height * random.uniform(0.7, 1.2)
    sheet.put(text, x, height * 0.8, height)
    return sheet.taken(), text


def forms(random: Random) -> Composed:
    """Printed labels before numbers on lines."""
    texts, height = [number(random, 3, 6), number(random, 2, 5)], random.uniform(30, 44)
    sheet = Sheet(random, height * 13, height * 6)
    for y, text in zip((height * 0.8, height * 3.2), texts, strict=True):
        wide = sheet.print(f"{random.choice(WORDS)}:", height * 0.6, y + height * 0.4, height * 0.5)
        sheet.put(text, height * 1.4 + wide, y, height)
        sheet.line([(height * 1.1 + wide, y + height * 1.2), (height * 11, y + height * 1.2)], GREY, 1.5)
    return sheet.taken(), "\n".join(texts)


def cards(random: Random, *, envelope: bool = False) -> Composed:
    """Printed words above a number on a card, or written ones on an envelope."""
    text, height = number(random, 5, 9), random.uniform(18, 30)
    sheet = Sheet(random, height * 20, height * 12, paper=(225, 205, 170) if envelope else (235, 240, 248))
    for i, word in enumerate(random.choice(WORDS, 2, replace=False)):
        if envelope:
            sheet.letters(f"{word}", height * 8, height * (4 + 1.9 * i), height)
        else:
            sheet.print(f"{word}", height, height * (1 + 1.8 * i), height * random.uniform(0.6, 0.8))
    left = height * (8 if envelope else 3)
    if not envelope and random.random() < 0.5:
        sheet.frame((height * 2.4, height * 7.2, height * (4 + 0.95 * len(text)), height * 9.4), GREY, 1.5)
    sheet.put(text, left, height * 7.8, height)
    return sheet.taken(), text


def words(random: Random) -> Composed:
    """Words alone."""
    height = random.uniform(26, 50)
    sheet = Sheet(random, height * 14, height * 2.6)
    sheet.letters(" ".join(random.choice(WORDS, 2)), height * 0.7, height * 0.8, height)
    return sheet.taken(), ""


def broken(random: Random) -> Composed:
    """Gaps in the strokes."""
    text, height = number(random, 2, 4), random.uniform(50, 80)
    sheet = Sheet(random, height * (2 + len(text)), height * 2)
    sheet.put(text, height * 0.8, height * 0.5, height)
    for _ in range(2 * len(text)):
        x, y = random.uniform(0.8, 1 + 0.9 * len(text)) * height, random.uniform(0.5, 1.5) * height
        across, down = height / 5, random.uniform(-1, 1) * height / 5
        sheet.line([(x - across, y - down), (x + across, y + down)], WHITE, height * 0.05)
    return sheet.taken(), text


def turned(random: Random) -> Composed:
    """A page that lies on its side, on its head, or aslant."""
    sheet, label = two_lines(random)
    image, quarter = sheet.taken().convert("RGB"), int(random.integers(6))
    if quarter in (1, 2, 3):
        return image.rotate(90 * quarter, expand=True), label
    paper = image.getpixel((1, 1))
    return image.rotate(random.uniform(-12, 12), Image.Resampling.BICUBIC, expand=True, fillcolor=paper), label


def _digits_of(text: str) -> str:
    return "".join(filter(str.isdigit, text))


BLANKS = ("layout: blanks", "layout: tables")
KINDS: dict[str, Callable[[Random], Composed]] = {
    "plain: numbers": one_line(lambda random: number(random, 2, 8)),
    "plain: digit": one_line(lambda random: number(random, 1, 1), (16, 160)),
    "plain: lines": lines,
    "plain: 9 to 14 pixels": one_line(lambda random: number(random, 3, 5), (9, 14)),
    "plain: 7 to 9 pixels": one_line(lambda random: number(random, 3, 5), (7, 9)),
    "plain: print": printed,
    "forms: boxes": boxes,
    "forms: frames": frames,
    "forms: cells": cells,
    "signs: numbers": one_line(with_signs, label=_digits_of),
    "signs: one digit": one_line(beside_sign, label=_digits_of),
    "layout: blanks": one_line(lambda random: " ".join(number(random, 1, 4) for _ in range(random.integers(2, 4)))),
    "layout: tables": tables,
    "layout: columns": functools.partial(lines, least=1, most=5, count=(3, 8), gap=1.45),
    "layout: underlined": underlined,
    "layout: touching": one_line(lambda random: number(random, 2, 4), gap=(-0.06, 0.04)),
    "layout: small zeros": small_zeros,
    "layout: struck out": struck_out,
    "surfaces: shadows": shadows,
    "surfaces: desks": desks,
    "surfaces: boards": boards,
    "surfaces: colours": colours,
    "surfaces: pencil": pencil,
    "surfaces: squared": functools.partial(ruled, rulings=(0.45, 1.1)),
    "surfaces: ruled": functools.partial(ruled, rulings=(0.9, 1.5)),
    "words: labels": labels,
    "words: forms": forms,
    "words: cards": cards,
    "words: envelopes": functools.partial(cards, envelope=True),
    "words: words": words,
    "broken: broken": broken,
    "turned: turned": turned,
}


def table(content: Mapping[str, Any]) -> str:
    """The results as a Markdown table, each group before its kinds."""
    rows = ["| pages | n | read exactly | lost | invented | sure and wrong |", "|---|---|---|---|---|---|"]
    kinds = content["kinds"]
    groups: dict[str, list[dict[str, Any]]] = {"all": list(kinds.values())}
    for name, row in kinds.items():
        groups.setdefault(name.partition(":")[0], []).append(row)
    for name, those in [*groups.items(), *((name, [row]) for name, row in kinds.items())]:
        n, digits = (sum(row[key] for row in those) for key in ("n", "digits"))
        shares = [
            100 * sum(row[key] for row in those) / max(digits, 1) for key in ("lost", "invented", "sure_and_wrong")
        ]
        exact = statistics.mean(row["exact"] / row["n"] for row in those)
        shown = " | ".join(f"{share:.1f}" if digits else "–" for share in shares)
        rows.append(f"| {f'**{name}**' if name in groups else name} | {n} | {exact:.1%} | {shown} |")
    return "\n".join(rows)


if __name__ == "__main__":
    main(*sys.argv[1:])
