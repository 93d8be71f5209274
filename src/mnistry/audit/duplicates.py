"""Duplicate images: exact copies, and near ones that are a little shifted or in other greys.

Two images are near duplicates when their cosine similarity, after the best shift by up to two pixels each way, is at
least 0.995. The line was drawn by measurement. Among the 2.4 billion pairs of MNIST's 70,000 images the two most alike,
two upright 1s, reach 0.992. Copies that were shifted, made brighter or darker, coarsened to 16 grey levels, saved as
JPEG of quality 75 or better or given noise of a few levels stay above 0.995; turned, blurred or redrawn ones do not.

No pair is overlooked for the sake of speed. Shifting an image leaves the magnitudes of its Fourier transform as they
are, and the magnitudes of two images are never farther apart than the images are, in any position (Parseval's theorem
and the triangle inequality); nor are their projections onto a few directions. So whatever is close in the projections
is looked at, and nothing else need be.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

SIMILARITY = 0.995
SHIFT = 2  # pixels each way
SIDE = 28 + 2 * SHIFT  # room for the shifts: nothing that leaves on one side meets ink on the other
DIRECTIONS = 64  # leave one pair in 50,000 of MNIST's to be looked at
SAMPLE = 10_000  # images that the directions are taken from
CHUNK = 4_096
BLOCK = 256
SLACK = 1e-4  # of float32, in a squared distance


@dataclass(frozen=True, eq=False)
class Group:
    """Images that are copies, each of at least one of the others; `exact` if all have the very same pixels.

    Their indices, int64 (k,), are ascending; there are 2 or more.
    """

    members: np.ndarray
    exact: bool


def find_duplicates(images: np.ndarray) -> tuple[Group, ...]:
    """Find all groups of duplicates in images, uint8 (n, 28, 28), in the order of their first images.

    Images without ink are copies of each other only if they are the same, pixel by pixel.
    """
    same = _group_exact(images)
    first = np.array([members[0] for members in same], np.int64)
    joined: dict[int, list[int]] = {}
    for number, root in enumerate(_group_near(images[first])):
        joined.setdefault(int(root), []).append(number)
    found = [
        Group(np.sort(np.concatenate([same[number] for number in numbers])), exact=len(numbers) == 1)
        for numbers in joined.values()
    ]
    return tuple(sorted((group for group in found if len(group.members) > 1), key=lambda group: group.members[0]))


def compute_similarity(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Compute the similarity of images, pair by pair: the cosine at the best shift by up to two pixels each way.

    Both are uint8 (n, 28, 28), none without ink; the result is float32 (n,), 0 to 1.
    """
    product = np.fft.rfft2(_normalize(one)) * np.conj(np.fft.rfft2(_normalize(other)))
    correlation = np.fft.irfft2(product, s=(SIDE, SIDE))  # by circular shifts; negative ones are at the end
    shifts = np.arange(-SHIFT, SHIFT + 1)
    return np.asarray(correlation[:, shifts][:, :, shifts].max(axis=(1, 2)), np.float32)


def _group_exact(images: np.ndarray) -> list[np.ndarray]:
    """The indices of images with the same pixels, for each that there is."""
    seen: dict[bytes, list[int]] = {}
    for index, image in enumerate(images):
        seen.setdefault(image.tobytes(), []).append(index)
    return [np.array(indices, np.int64) for indices in seen.values()]


def _group_near(images: np.ndarray) -> np.ndarray:
    """For each image, int64 (n,), the same number as for its near duplicates."""
    roots = _UnionFind(len(images))
    inked = np.flatnonzero(images.any(axis=(1, 2)))
    if len(inked) < 2:
        return roots.all()
    for one, other in _candidates(_projections(images[inked])):
        for start in range(0, len(one), CHUNK):
            pairs = inked[np.stack([one[start : start + CHUNK], other[start : start + CHUNK]])]
            left, right = pairs[:, roots.apart(*pairs)]  # where thousands are alike, few pairs need be looked at
            alike = compute_similarity(images[left], images[right]) >= SIMILARITY
            for a, b in zip(left[alike], right[alike], strict=True):
                roots.join(int(a), int(b))
    return roots.all()


def _candidates(points: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pairs of points (n, directions) that may be near duplicates, in parts: their indices.

    Points are sorted along the first direction, so that each is compared with its neighbourhood only.
    """
    radius = np.sqrt(2 - 2 * SIMILARITY)  # of unit vectors with that cosine
    order = np.argsort(points[:, 0], kind="stable")
    points = points[order]
    squares = (points**2).sum(axis=1)
    for start in range(0, len(points), BLOCK):
        block = slice(start, min(start + BLOCK, len(points)))
        until = np.searchsorted(points[:, 0], points[block.stop - 1, 0] + radius + SLACK, side="right")
        within = slice(start, until)
        distances = points[block] @ points[within].T
        distances *= -2
        distances += squares[block, None]
        distances += squares[None, within]
        one, other = np.nonzero(distances <= radius**2 + SLACK)
        once = one < other
        yield order[start + one[once]], order[start + other[once]]


def _projections(images: np.ndarray) -> np.ndarray:
    """Points, float32 (n, directions), that are never farther apart than the images are in any position."""
    step = max(1, len(images) // SAMPLE)
    sample = _magnitudes(images[::step])
    mean = sample.mean(axis=0)
    directions = np.linalg.eigh((sample - mean).T @ (sample - mean))[1][:, : -DIRECTIONS - 1 : -1]
    chunks = (images[start : start + CHUNK] for start in range(0, len(images), CHUNK))
    return np.concatenate([(_magnitudes(chunk) - mean) @ directions for chunk in chunks])


def _magnitudes(images: np.ndarray) -> np.ndarray:
    """The magnitudes of the Fourier transform of images of length 1, as float32 vectors of length 1."""
    transformed = np.abs(np.fft.rfft2(_normalize(images), norm="ortho"))
    transformed[:, :, 1:-1] *= np.sqrt(2)  # the half that a real transform leaves out
    return transformed.reshape(len(images), -1).astype(np.float32)


def _normalize(images: np.ndarray) -> np.ndarray:
    """Images with room around them, as float32 vectors of length 1."""
    padded = np.zeros((len(images), SIDE, SIDE), np.float32)
    padded[:, SHIFT:-SHIFT, SHIFT:-SHIFT] = images
    padded /= np.sqrt(np.einsum("nij,nij->n", padded, padded))[:, None, None]
    return padded


class _UnionFind:
    """Groups of numbers that belong together (union-find); the root of each is its smallest number."""

    def __init__(self, n: int) -> None:
        self._up = np.arange(n)

    def join(self, one: int, other: int) -> None:
        roots = sorted((self._root(one), self._root(other)))
        self._up[roots[1]] = roots[0]

    def apart(self, one: np.ndarray, other: np.ndarray) -> np.ndarray:
        """Tell which pairs are not joined yet, bool (n,)."""
        up = self.all()
        return np.asarray(up[one] != up[other])

    def all(self) -> np.ndarray:
        """The root of every number."""
        while True:
            further = self._up[self._up]
            if np.array_equal(further, self._up):
                return further
            self._up = further

    def _root(self, number: int) -> int:
        while self._up[number] != number:
            number = int(self._up[number])
        return number
