"""RandomPool: what they hand out, in which order, and that it runs out with a sentence."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from mnistry.models.backend import jax
from mnistry.training.augmentation.random_pool import RandomPool, materialize

MANY = 40_000


def pool(seed: int = 3, count: int = MANY) -> RandomPool:
    return RandomPool(jax.random.key(seed), count)


def test_the_same_key_gives_the_same_numbers_and_another_key_others() -> None:
    one, same, other = (pool(seed) for seed in (3, 3, 4))
    for draw in ("uniform", "normal"):
        first = np.asarray(getattr(one, draw)(100))
        assert np.array_equal(first, getattr(same, draw)(100))
        assert not np.isin(first, getattr(other, draw)(100)).any()


@pytest.mark.parametrize("draw", ["uniform", "normal"])
def test_numbers_come_in_one_order_however_they_are_asked_for(draw: str) -> None:
    by_pieces, at_once = (getattr(pool(count=64), draw) for _ in range(2))
    pieces = [np.ravel(by_pieces(*shape)) for shape in ((5,), (2, 3), (4, 1, 2), ())]
    assert np.array_equal(np.concatenate(pieces), at_once(20))


def test_one_kind_of_number_does_not_use_up_the_other() -> None:
    mixed, plain = pool(count=16), pool(count=16)
    mixed.uniform(11)
    assert np.array_equal(mixed.normal(16), plain.normal(16))
    assert np.array_equal(mixed.flip(0.5, 5), plain.uniform(16)[11:] < 0.5)


def test_uniform_numbers_are_uniform_between_their_ends() -> None:
    drawn = np.asarray(pool().uniform(MANY, low=-2, high=3))
    assert drawn.dtype == np.float32
    assert -2 <= drawn.min() < -1.99
    assert 2.99 < drawn.max() <= 3
    assert stats.kstest(drawn, stats.uniform(-2, 5).cdf).pvalue > 0.01


def test_normal_numbers_are_normal_and_cut_off_at_five() -> None:
    drawn = np.asarray(pool().normal(MANY))
    assert drawn.dtype == np.float32
    assert drawn.mean() == pytest.approx(0, abs=4 / np.sqrt(MANY))
    assert drawn.std() == pytest.approx(1, abs=4 / np.sqrt(2 * MANY))
    assert stats.kstest(drawn, stats.norm.cdf).pvalue > 0.01
    assert 3.5 < np.abs(drawn).max() <= 5


def test_the_two_kinds_know_nothing_of_each_other() -> None:
    source = pool()
    assert abs(np.corrcoef(source.uniform(MANY), source.normal(MANY))[0, 1]) < 4 / np.sqrt(MANY)


@pytest.mark.parametrize("chance", [0.0, 0.06, 0.5, 1.0])
def test_flips_have_their_chance(chance: float) -> None:
    flips = np.asarray(pool().flip(chance, MANY))
    assert flips.dtype == np.bool_
    assert flips.mean() == pytest.approx(chance, abs=4 * np.sqrt(chance * (1 - chance) / MANY))


@pytest.mark.parametrize("options", [1, 3, 141])
def test_choices_are_even_and_never_past_the_last(options: int) -> None:
    chosen = np.asarray(pool().choose(options, MANY))
    assert chosen.dtype == np.int32
    counts = np.bincount(chosen)
    assert len(counts) == options
    if options > 1:
        assert stats.chisquare(counts).pvalue > 0.01


def test_more_than_was_drawn_is_an_error() -> None:
    few = pool(count=10)  # drawn in rows of eight: 16
    few.uniform(16)
    with pytest.raises(ValueError, match="16 uniform random numbers were drawn, and more are asked for"):
        few.uniform(1)
    few.normal(2, 8)
    with pytest.raises(ValueError, match="16 normal random numbers were drawn, and more are asked for"):
        few.normal(1)


@pytest.mark.parametrize("compiled", [False, True])
def test_holding_changes_no_bit(compiled: bool) -> None:
    random = np.random.default_rng(0)
    values = (random.normal(size=(50, 6)) * 10.0 ** random.integers(-20, 20, (50, 6))).astype(np.float32)
    hold = jax.jit(materialize) if compiled else materialize
    assert np.asarray(hold(values)).tobytes() == values.tobytes()
