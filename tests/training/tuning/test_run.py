"""A search on a real Ray: it is repeatable, never looks at test images, survives kills, and keeps its best as a run."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest

from mnistry.datasets import loading
from mnistry.datasets.dataset import Dataset, count_validation
from mnistry.errors import ClusterError, MissingExtraError, RunError, UsageError
from mnistry.ocr.recognizer import Recognizer
from mnistry.runtime import ray_cluster, run_folder
from mnistry.training import recipes
from mnistry.training.tuning import ray_tune, trials
from mnistry.training.tuning import run as tuning_run
from mnistry.training.tuning import text as tuning_text
from mnistry.training.tuning.trials import Trial

ASKED: dict[str, Any] = {"recipe": "tutorial", "dataset": "digits", "trials": 5, "epochs": 3, "seed": 1}


@pytest.fixture(scope="module")
def cluster(session_cache: Path) -> Iterator[str]:
    """The address of a Ray cluster that all searches of this module can share."""
    from ray.cluster_utils import Cluster

    settings = patch.dict(os.environ, ray_cluster.SETTINGS)
    with settings, tempfile.TemporaryDirectory(prefix="ray-") as folder:  # short: pytest's own are too long for sockets
        node = {"num_cpus": 2, "object_store_memory": ray_cluster.OBJECT_STORE, "include_dashboard": False}
        one = Cluster(initialize_head=True, head_node_args={**node, "temp_dir": folder})
        yield one.address
        one.shutdown()


def one_by_one(cluster: str, out: Path, asked: dict[str, Any] = ASKED, **options: Any) -> tuning_run.SearchResult:
    """A search whose trials follow each other, so that all of it is repeatable."""
    return tuning_run.search(asked, out=out, address=cluster, max_concurrent=1, **options)


@pytest.fixture(scope="module")
def found(cluster: str, tmp_path_factory: pytest.TempPathFactory) -> tuning_run.SearchResult:
    return one_by_one(cluster, tmp_path_factory.mktemp("searches") / "whole")


def without_seconds(all_trials: tuple[Trial, ...] | list[Trial]) -> list[Trial]:
    return [replace(one, records=tuple({**r, "seconds": 0} for r in one.records)) for one in all_trials]


def test_every_trial_is_kept_with_its_settings_and_its_end(found: tuning_run.SearchResult) -> None:
    assert without_seconds(trials.read(found.folder)) == without_seconds(found.trials)
    tutorial = recipes.find_recipe("tutorial")
    assert [one.number for one in found.trials] == [1, 2, 3, 4, 5]
    assert [dict(one.settings) for one in found.trials] == [
        tuning_run.draw(tutorial, number, 1, 32) for number in range(1, 6)
    ]
    assert found.trials[0].settings == {"learning_rate": 0.001, "batch_size": 32, "hidden": 128, "dropout": 0.2}
    for one in found.trials:
        assert one.state == ("finished" if len(one.records) == 3 else "stopped")
        assert [record["epoch"] for record in one.records] == list(range(1, len(one.records) + 1))
    assert {one.state for one in found.trials} == {"finished", "stopped"}


def test_the_best_has_the_fewest_errors_of_those_that_finished(found: tuning_run.SearchResult, digits: Dataset) -> None:
    assert found.images == count_validation(digits, 1 / 6)
    errors = {one.number: round((1 - one.accuracy) * found.images) for one in found.trials if one.state == "finished"}
    assert errors[found.best.number] == min(errors.values())


def test_the_best_is_a_run_like_any_other(found: tuning_run.SearchResult, digits: Dataset) -> None:
    run = found.folder / "best"
    config = json.loads((run / run_folder.CONFIG).read_text())
    settings = dict(found.best.settings)
    assert (config["learning_rate"], config["batch_size"]) == (
        settings.pop("learning_rate"), settings.pop("batch_size"),
    )  # fmt: skip
    assert config["settings"] == settings
    assert found.summary["epochs"] == list(found.best.records)  # those of its trial: it was not trained again
    assert found.summary["calibration"]["images"] == found.images
    assert (run / "report.html").exists()
    recognizer = Recognizer.load(run / "model.onnx")
    wrong = int((recognizer.predict(digits.x_test).argmax(axis=1) != digits.y_test).sum())
    assert wrong == found.summary["test"]["errors"] < 60
    assert sorted(path.name for path in found.folder.iterdir()) == [".lock", "best", "search.json", "trials.jsonl"]


def test_test_images_have_no_influence(
    found: tuning_run.SearchResult, cluster: str, tmp_path: Path, monkeypatch
) -> None:
    load = loading.load

    def poisoned(*arguments: Any, **options: Any) -> Dataset:
        whole = load(*arguments, **options)
        return replace(whole, x_test=255 - whole.x_test, y_test=(whole.y_test + 1) % 10)

    monkeypatch.setattr(loading, "load", poisoned)
    again = one_by_one(cluster, tmp_path / "poisoned")
    assert without_seconds(again.trials) == without_seconds(found.trials)
    assert again.best.number == found.best.number
    assert again.summary["weights_sha256"] == found.summary["weights_sha256"]
    assert again.summary["test"]["errors"] > 180


def test_no_trial_is_given_a_test_image(digits: Dataset) -> None:
    given = ray_tune.drop_test(digits)
    assert (len(given.x_test), len(given.y_test)) == (0, 0)
    assert given.x_train is digits.x_train


def test_a_trial_that_fails_is_a_row_with_its_reason(cluster: str, tmp_path: Path) -> None:
    out = tmp_path / "search"

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    asked = {**ASKED, "trials": 3, "epochs": 1}
    with pytest.raises(Exception, match=r"stopped; what is done is kept, go on with: mnistry search --resume --out"):
        one_by_one(cluster, out, asked, on_trial=stop)
    first, second, third = trials.read(out)
    wild = {**second.settings, "learning_rate": 1e30}
    large = {**third.settings, "batch_size": 10_000}
    trials.write(out, [first, replace(second, settings=wild), replace(third, settings=large)])
    result = one_by_one(cluster, out, {}, resume=True)
    assert [one.state for one in result.trials] == ["finished", "failed", "failed"]
    assert "The loss is nan in epoch 1: the training has diverged." in result.trials[1].reason
    assert "The batch size must be at most the number of training images" in result.trials[2].reason
    assert result.best.number == 1
    text = tuning_text.format_search(result)
    assert "3 trials: 1 finished, 0 stopped early, 2 failed" in text
    assert result.trials[1].reason in text


def test_a_search_that_is_complete_is_told_again(found: tuning_run.SearchResult, cluster: str) -> None:
    again = tuning_run.search({}, out=found.folder, resume=True, address="nowhere:1")  # needs no Ray any more
    assert again.summary == found.summary
    assert tuning_text.format_search(again) == tuning_text.format_search(found)


def command(out: str, *more: str) -> list[str]:
    flags = ["--recipe", "tutorial", "--dataset", "digits", "--trials", "4", "--epochs", "9", "--seed", "2"]
    return [sys.executable, "-m", "mnistry", "search", *flags, "--out", out, *more]


DYING = """if True:
    import os, signal
    from mnistry.cli.app import main
    from mnistry.training.tuning import trials

    write = trials.write

    def write_and_die(folder, all_trials):
        write(folder, all_trials)
        if sum(len(one.records) for one in all_trials) >= 4:
            os.kill(os.getpid(), signal.SIGKILL)

    trials.write = write_and_die
    main()
"""


def test_a_killed_search_goes_on(tmp_path: Path) -> None:
    out = tmp_path / "search"
    python, _, _, *words = command("search")
    killed = subprocess.run([python, "-c", DYING, *words], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    before = trials.read(out)
    assert "open" in {one.state for one in before}
    done = subprocess.run(command("search", "--resume"), cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    after = trials.read(out)
    for was, now in zip(before, after, strict=True):
        assert now.records[: len(was.records)] == was.records  # nothing is trained twice
        assert [record["epoch"] for record in now.records] == list(range(1, len(now.records) + 1))
        assert now.state != "open"
    lines = done.stdout.splitlines()
    assert lines[0].split() == [
        "trial",
        "learning_rate",
        "batch_size",
        "hidden",
        "dropout",
        "epochs",
        "accuracy",
        "loss",
    ]
    assert len(lines) == 1 + 4 + 11
    again = shlex.split(lines[-5])
    assert again[:4] == ["mnistry", "train", "--recipe", "tutorial"]
    assert [line for line in done.stderr.splitlines() if not line.startswith("trial ")] == []


# Without Ray


def test_asha_knows_again_what_trials_gave() -> None:
    def ended(number: int, accuracy: float) -> Trial:
        records = tuple({"epoch": epoch, "val_accuracy": accuracy, "val_loss": 0.1} for epoch in range(1, 10))
        return Trial(number, {}, "finished", records)

    class Late:
        trial_id = "late"

    decisions = []
    for known in ([], [ended(1, 0.9), ended(2, 0.95), ended(3, 0.97)]):
        scheduler = ray_tune._asha(known, 100, 9)
        scheduler.on_trial_add(None, Late)
        decisions.append(scheduler.on_trial_result(None, Late, {"epoch": 1, "score": 8.0}))
    assert decisions == ["CONTINUE", "STOP"]


def test_the_settings_of_a_trial_depend_on_seed_and_number_alone() -> None:
    strong = recipes.find_recipe("strong")
    drawn = [tuning_run.draw(strong, number, 0, 128) for number in range(2, 40)]
    assert drawn == [tuning_run.draw(strong, number, 0, 128) for number in range(2, 40)]
    assert tuning_run.draw(strong, 2, 1, 128) != drawn[0]
    assert tuning_run.draw(strong, 2, 0, 64) == {**drawn[0], "batch_size": drawn[0]["batch_size"] / 2}
    assert set(drawn[0]) == {"learning_rate", "batch_size", *strong.settings}
    for name in drawn[0]:
        assert len({settings[name] for settings in drawn}) >= 3
        searched = {**strong.searched, **{key: one.searched for key, one in strong.settings.items()}}[name]
        assert all(searched.low <= settings[name] <= searched.high for settings in drawn)


def test_errors_count_first_and_the_loss_decides_between_equals() -> None:
    def trial(number: int, accuracy: float, loss: float, state: trials.State = "finished") -> Trial:
        return Trial(number, {}, state, ({"epoch": 1, "val_accuracy": accuracy, "val_loss": loss},))

    all_trials = [trial(1, 0.97, 0.1), trial(2, 0.98, 0.9), trial(3, 0.98, 0.3), trial(4, 0.99, 0.1, "stopped")]
    assert [one.number for one in trials.rank(all_trials, 100)] == [3, 2, 1, 4]
    assert trials.find_best(all_trials, 100).number == 3
    assert trials.compute_score({"val_accuracy": 1.0, "val_loss": float("nan")}, 100) == trials.find_worst_score(100)
    with pytest.raises(RunError, match="None of the 1 trials came to its end"):
        trials.find_best([Trial(1, {}, "failed", (), "It broke.")], 100)


def test_ray_that_is_missing_is_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError) as refused:
        tuning_run.search(ASKED, out=tmp_path / "search")
    expected = "mnistry search needs ray, which is not installed. Install it with: pip install 'mnistry[ray]'"
    assert str(refused.value) == expected
    assert not (tmp_path / "search").exists()


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"trials": 0}, "The number of trials must be 1 or more; received 0."),
        ({"epochs": 0}, "The number of epochs must be 1 or more; received 0."),
        ({"recipe": "strnog"}, "There is no recipe named 'strnog'. Did you mean strong?"),
    ],
)
def test_what_makes_no_sense_is_refused(asked: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as refused:
        tuning_run.search({**ASKED, **asked}, out=tmp_path / "search")
    assert str(refused.value) == sentence
    assert not (tmp_path / "search").exists()


def test_too_few_images_for_any_trial_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = tuning_run.draw
    monkeypatch.setattr(tuning_run, "draw", lambda *given: {**draw(*given), "batch_size": 5_000})
    asked = {**ASKED, "trials": 2}
    for resume in (False, True):
        with pytest.raises(RunError, match=r"None of the 2 trials .* The first one failed, since: The batch size"):
            tuning_run.search(asked, out=tmp_path / "search", resume=resume)


def test_an_address_where_nobody_is_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match=r"No Ray cluster can be reached at 127\.0\.0\.1:9: Connection refused\. Wi"):
        tuning_run.search(ASKED, out=tmp_path / "search", address="127.0.0.1:9")


def planned(folder: Path, **changes: Any) -> Path:
    folder.mkdir()
    plan = {**ASKED, "validation": 1 / 6, "digests": {}, **changes}
    (folder / tuning_run.PLAN).write_text(json.dumps(plan))
    trials.write(folder, [Trial(1, {"learning_rate": 0.1, "batch_size": 8})])
    return folder


def test_another_search_is_refused_with_the_difference(tmp_path: Path) -> None:
    out = planned(tmp_path / "search")
    with pytest.raises(RunError, match=r"has other settings: trials is 5, asked for is 7; seed is 1, asked for is 2\."):
        tuning_run.search({"trials": 7, "seed": 2}, out=out, resume=True)
    with pytest.raises(RunError, match="is on other data: its images have other SHA-256 digests"):
        tuning_run.search({}, out=out, resume=True)


def test_folders_that_are_no_search_are_refused(tmp_path: Path) -> None:
    (tmp_path / "letters.txt").write_text("dear")
    with pytest.raises(RunError, match=r"holds letters\.txt, but no search \(search\.json is missing\)"):
        tuning_run.search(ASKED, out=tmp_path, resume=True)
    with pytest.raises(RunError, match="is not empty, and nothing is overwritten"):
        tuning_run.search(ASKED, out=tmp_path)
    out = planned(tmp_path / "search")
    (out / tuning_run.PLAN).write_text("{")
    with pytest.raises(RunError, match=r"search\.json cannot be read as that of a search"):
        tuning_run.search({}, out=out, resume=True)
    (out / trials.TABLE).write_text('{"number": 1}\n')
    with pytest.raises(RunError, match=r"trials\.jsonl cannot be read as the trials of a search"):
        trials.read(out)


def test_the_line_of_a_trial_that_failed() -> None:
    line = tuning_text.format_trial(Trial(2, {"dropout": 0.5}, "failed", (), "It broke."), 12, 3)
    assert line == "trial  2/12   failed: It broke.   dropout=0.5"
    assert np.isnan(Trial(1, {}).accuracy)
