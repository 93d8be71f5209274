"""The settings of recipes: named, checked, carried through a run, and harmless where nothing is chosen."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mnistry.cli import options
from mnistry.datasets.dataset import DIGIT_NAMES, Dataset
from mnistry.errors import RunError, UsageError
from mnistry.models.backend import jax
from mnistry.ocr.recognizer import Recognizer
from mnistry.runtime import run_folder
from mnistry.training import recipes, trainer
from mnistry.training import run as training_run
from mnistry.training.augmentation import pipeline
from mnistry.training.config import ResolvedConfig, TrainConfig
from mnistry.training.recipes import SearchRange, check_settings


@pytest.mark.parametrize(
    ("searched", "numbers"),
    [
        (SearchRange(1, 3), [1, 2, 3]),
        (SearchRange(0.001, 0.1, "factors"), [0.001, 0.01, 0.1]),
        (SearchRange(16, 256, "factors", 16), [16, 64, 256]),
        (SearchRange(32, 96, "steps", 32), [32, 64, 96]),
        (SearchRange(3, 5, "steps", 2), [3, 5, 5]),
    ],
)
def test_a_range_from_end_to_end(searched: SearchRange, numbers: list[float]) -> None:
    assert [searched.at(place) for place in (0, 0.5, 1)] == numbers


def test_numbers_of_a_range_are_short_enough_to_be_typed() -> None:
    numbers = [SearchRange(0.0003, 0.01, "factors").at(place) for place in np.random.default_rng(0).random(100)]
    assert all(float(f"{number:.3g}") == number for number in numbers)
    assert 0.0003 <= min(numbers) < 0.0005 < 0.006 < max(numbers) <= 0.01
    assert np.mean(np.array(numbers) < 0.0017) == pytest.approx(0.5, abs=0.15)  # half of them below the middle factor


@pytest.mark.parametrize("recipe", recipes.RECIPES)
def test_what_a_search_tries_is_allowed_and_the_default_lies_in_between(recipe: str) -> None:
    known = recipes.find_recipe(recipe).settings
    for place in (0, 0.3, 1):
        check_settings({name: one.searched.at(place) for name, one in known.items()}, known, recipe)
    for one in known.values():
        assert one.least <= one.searched.low <= one.default <= one.searched.high <= one.most
        assert one.meaning.endswith(".")


@pytest.mark.parametrize(
    ("chosen", "sentence"),
    [
        ({"width": 64}, r"The recipe tutorial has no setting named 'width'\. Known are: dropout, hidden\."),
        ({"droput": 0.1}, r"no setting named 'droput'\. Did you mean dropout\?"),
        ({"dropout": 0.95}, r"dropout must be a number from 0 to 0\.9; received 0\.95\."),
        ({"hidden": 12.5}, r"hidden must be a whole number from 1 to 4096; received 12\.5\."),
        ({"dropout": float("nan")}, r"received nan\."),
    ],
)
def test_settings_that_make_no_sense_are_refused(chosen: dict[str, float], sentence: str, digits: Dataset) -> None:
    with pytest.raises(UsageError, match=sentence):
        recipes.resolve(TrainConfig(settings=chosen), digits)


@pytest.mark.parametrize("text", ["hidden", "hidden=", "hidden=wide", "=", ""])
def test_what_is_no_setting_on_the_command_line_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"--set takes a name and a number, such as --set dropout=0\.1; received"):
        options.given({"settings": [text]})


def test_settings_on_the_command_line() -> None:
    assert options.given({"settings": ["hidden=64", "dropout=1e-1"], "seed": None}) == {
        "settings": {"hidden": 64, "dropout": 0.1}
    }


def config(recipe: str, **settings: float) -> ResolvedConfig:
    return ResolvedConfig(
        recipe=recipe, dataset="d", epochs=1, batch_size=8, learning_rate=0.1, validation=0.0, settings=settings
    )


def test_settings_reach_the_network() -> None:
    small = recipes.build(config("tutorial", hidden=16, dropout=0.5), classes=10, images=8)
    assert small.get_layer("hidden").units == 16
    assert small.get_layer("dropout").rate == 0.5
    narrow = recipes.build(config("strong", width=48, weight_decay=0.02), classes=10, images=8)
    assert [narrow.get_layer(f"convolution_{number}").filters for number in (1, 2, 3, 4)] == [8, 24, 32, 48]
    assert narrow.optimizer.weight_decay == 0.02


def test_the_settings_as_they_are_change_nothing() -> None:
    for recipe, own in recipes.RECIPES.items():
        chosen = {name: one.default for name, one in own.settings.items()}
        plain, same = (recipes.build(each, classes=10, images=8) for each in (config(recipe), config(recipe, **chosen)))
        assert all(np.array_equal(a, b) for a, b in zip(plain.get_weights(), same.get_weights(), strict=True))
        assert plain.optimizer.weight_decay == same.optimizer.weight_decay


@pytest.mark.parametrize("names", [DIGIT_NAMES, ("cat", "dog")])
def test_settings_reach_the_augmentation(names: tuple[str, ...]) -> None:
    usual, weak = (trainer._augmentation(config("strong", **chosen), names, 100) for chosen in ({}, {"strength": 0.5}))
    assert usual is not None
    assert weak is not None
    programs = [str(jax.make_jaxpr(each)(*BATCH)) for each in (usual, weak)]
    assert programs[0] != programs[1]


BATCH = jax.random.key(0), np.zeros((32, 28, 28), np.uint8), np.zeros(32, np.int32), 0


def test_augmentation_of_the_usual_strength_is_the_same_program() -> None:
    programs = [str(jax.make_jaxpr(pipeline.make_augmenter(20, 100, **each))(*BATCH)) for each in ({}, {"strength": 1})]
    assert programs[0] == programs[1]
    assert programs[0] != str(jax.make_jaxpr(pipeline.make_augmenter(20, 100, strength=0.5))(*BATCH))


@pytest.mark.parametrize("strength", [0, 0.5, 2])
def test_any_strength_that_is_allowed_has_enough_random_numbers(strength: float) -> None:
    one = recipes.find_recipe("strong").settings["strength"]
    assert one.least <= strength <= one.most
    shapes = jax.eval_shape(pipeline.make_augmenter(20, 100, strength=strength), *BATCH)
    assert shapes[0].shape[1:] == (28, 28)


def test_a_run_keeps_its_settings(tmp_path: Path) -> None:
    asked = {"dataset": "digits", "epochs": 1, "settings": {"hidden": 16, "dropout": 0.1}}
    folder, _ = training_run.train_run(asked, out=tmp_path / "run")
    assert json.loads((folder / run_folder.CONFIG).read_text())["settings"] == {"hidden": 16, "dropout": 0.1}
    summary = json.loads((folder / run_folder.SUMMARY).read_text())
    assert summary["command"].endswith("--set hidden=16 --set dropout=0.1")
    assert Recognizer.load(folder / "model.onnx").info.details["config"]["settings"] == {"hidden": 16, "dropout": 0.1}
    with pytest.raises(RunError, match=r"settings is \{'hidden': 16, 'dropout': 0\.1\}, asked for is \{'hidden': 32\}"):
        training_run.train_run({"settings": {"hidden": 32}}, out=folder, resume=True)


def test_a_config_from_before_there_were_settings_is_read(tmp_path: Path) -> None:
    folder, _ = training_run.train_run({"dataset": "digits", "epochs": 1}, out=tmp_path / "new")
    old = tmp_path / "old"
    old.mkdir()
    kept = json.loads((folder / run_folder.CONFIG).read_text())
    assert kept.pop("settings") == {}
    (old / run_folder.CONFIG).write_text(json.dumps(kept))
    training_run.train_run({}, out=old, resume=True)
    weights = [json.loads((each / run_folder.SUMMARY).read_text())["weights_sha256"] for each in (folder, old)]
    assert weights[0] == weights[1]
