"""Digits as HTML for notebooks: the image that the network saw, its answer, and its most probable classes."""

from __future__ import annotations

import html
from collections.abc import Sequence

import numpy as np

from mnistry.reporting.drawing import make_data_url

ENLARGED = 3  # times, so that the 28 x 28 pixels can be seen
TOP = 3  # classes shown of each digit
FRAME = "display:inline-block;margin:0 12px 8px 0;text-align:center;font-family:sans-serif;font-size:12px"


def card(image: np.ndarray, probabilities: np.ndarray, names: Sequence[str], *, sure: bool) -> str:
    """Show one digit.

    Args:
        image: uint8 (28, 28), 0-255, ink bright on black.
        probabilities: float (classes,).
        names: of the classes.
        sure: whether the model is sure of its answer.
    """
    best = [int(i) for i in np.argsort(-probabilities, kind="stable")[:TOP]]
    answers = "<br>".join(f"{html.escape(names[i])}: {probabilities[i]:.0%}" for i in best)
    name = html.escape(names[best[0]])
    side = ENLARGED * image.shape[0]
    size = f'width="{side}" height="{side}" style="image-rendering:pixelated"'
    picture = f'<img src="{make_data_url(image)}" alt="{name}" {size}>'
    return f'<div style="{FRAME}">{picture}<br><b>{name}{"" if sure else "?"}</b><br>{answers}</div>'


def strip(cards: Sequence[str], title: str = "") -> str:
    """Put cards side by side, below a title that keeps its lines."""
    heading = f'<pre style="font-size:16px">{html.escape(title)}</pre>' if title else ""
    return f"<div>{heading}{''.join(cards)}</div>"
