"""Training runs: killed, interrupted, filled up, damaged, and gone on with, they end with the same bits."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import filelock
import numpy as np
import pytest

from mnistry.datasets.dataset import count_validation
from mnistry.datasets.loading import Dataset
from mnistry.errors import RunError, TrainingError, UsageError
from mnistry.evaluation import metrics
from mnistry.models import backend, onnx_file
from mnistry.models.backend import keras
from mnistry.models.metadata import UNSURE
from mnistry.ocr.recognizer import Recognizer
from mnistry.runtime import files, run_folder
from mnistry.runtime.callbacks import Callbacks
from mnistry.training import calibration, checkpoints, loop
from mnistry.training import result as training_result
from mnistry.training import run as training_run

ASKED: dict[str, Any] = {"dataset": "digits", "epochs": 4, "seed": 5}
STRONG: dict[str, Any] = {"recipe": "strong", "dataset": "digits", "epochs": 3, "batch_size": 32, "seed": 1}
FLAGS = ["--dataset", "digits", "--epochs", "4", "--seed", "5"]


def summary(folder: Path) -> dict[str, Any]:
    return json.loads((folder / run_folder.SUMMARY).read_text(encoding="utf-8"))


def test_an_unknown_recipe_is_named_before_data_are_looked_for(tmp_path):
    with pytest.raises(UsageError, match="There is no recipe named 'strnog'"):
        training_run.train_run(
            {"recipe": "strnog", "dataset": "custom"}, data_dir=tmp_path / "nowhere", out=tmp_path / "r"
        )
    assert not (tmp_path / "r").exists()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing interrupted."""
    return training_run.train_run(ASKED, out=tmp_path_factory.mktemp("runs") / "whole")[0]


class StopHereError(Exception):
    pass


def stopped_after(epoch: int, out: Path, asked: Mapping[str, Any] = ASKED) -> Path:
    """A run that ended when an epoch was kept."""

    def stop(record: dict[str, Any], _: int) -> None:
        if record["epoch"] == epoch:
            raise StopHereError

    with pytest.raises(StopHereError):
        training_run.train_run(asked, out=out, callbacks=Callbacks(epoch=stop))
    return out


def test_the_run_folder_is_complete(whole: Path) -> None:
    assert sorted(path.name for path in whole.iterdir()) == [
        ".lock", "checkpoint-00003.bin", "checkpoint-00004.bin", "config.json", "figures", "metrics.jsonl",
        "model.keras", "model.onnx", "report.html", "summary.json",
    ]  # fmt: skip


def test_the_summary_is_that_of_the_model(whole: Path, digits: Dataset) -> None:
    model = keras.saving.load_model(whole / "model.keras")
    again = metrics.evaluate(backend.predict(model, digits.x_test), digits.y_test)
    assert summary(whole)["test"] == json.loads(json.dumps(again.as_json()))
    assert "sample" not in summary(whole)
    page = (whole / "report.html").read_text(encoding="utf-8")
    assert "A training run" in page
    assert "Softmax twice" not in page


@pytest.mark.parametrize("epoch", [1, 3, 4])
def test_a_stopped_run_goes_on_to_the_same_bits(epoch: int, whole: Path, tmp_path: Path) -> None:
    out = stopped_after(epoch, tmp_path / "run")
    done = [json.loads(line) for line in (out / run_folder.METRICS).read_text().splitlines()]
    assert [record["epoch"] for record in done] == list(range(1, epoch + 1))
    training_run.train_run({}, out=out, resume=True)
    assert summary(out)["weights_sha256"] == summary(whole)["weights_sha256"]
    assert summary(out)["test"] == summary(whole)["test"]
    for part in ("loss", "accuracy"):
        assert [r[part] for r in summary(out)["epochs"]] == [r[part] for r in summary(whole)["epochs"]]
    assert summary(out)["epochs"][:epoch] == done  # their own seconds included


def test_a_run_with_validation_goes_on_too(tmp_path: Path) -> None:
    asked = {**ASKED, "validation": 0.2, "epochs": 3}
    straight, _ = training_run.train_run(asked, out=tmp_path / "straight")
    out = stopped_after(2, tmp_path / "run", asked)
    training_run.train_run({}, out=out, resume=True)
    assert summary(out)["weights_sha256"] == summary(straight)["weights_sha256"]
    assert [r["val_loss"] for r in summary(out)["epochs"]] == [r["val_loss"] for r in summary(straight)["epochs"]]
    assert summary(straight)["epochs"][-1]["val_accuracy"] > 0.8


def test_a_damaged_checkpoint_costs_an_epoch_and_nothing_else(whole: Path, tmp_path: Path) -> None:
    out = stopped_after(3, tmp_path / "run")
    newest = out / "checkpoint-00003.bin"
    newest.write_bytes(newest.read_bytes()[:-1000])
    told: list[str] = []
    training_run.train_run({}, out=out, resume=True, callbacks=Callbacks(warning=told.append))
    assert len(told) == 1
    assert "checkpoint-00003.bin is damaged and was passed over" in told[0]
    assert summary(out)["weights_sha256"] == summary(whole)["weights_sha256"]


def test_a_complete_run_is_left_alone(whole: Path) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in whole.iterdir()}
    folder, result = training_run.train_run({}, out=whole, resume=True)
    assert (folder, result) == (whole, None)
    assert {path.name: path.stat().st_mtime_ns for path in whole.iterdir() if path.name != ".lock"} == {
        name: when for name, when in before.items() if name != ".lock"
    }


def test_resuming_where_nothing_is_starts_from_the_beginning(whole: Path, tmp_path: Path) -> None:
    told: list[str] = []
    out = tmp_path / "new"
    training_run.train_run(ASKED, out=out, resume=True, callbacks=Callbacks(warning=told.append))
    assert told == [f"There is nothing to resume in {out}: the run starts from its beginning."]
    assert summary(out)["weights_sha256"] == summary(whole)["weights_sha256"]


def test_another_config_is_refused_with_the_difference(tmp_path: Path) -> None:
    out = stopped_after(1, tmp_path / "run")
    asked = {**ASKED, "seed": 6, "learning_rate": 0.5}
    with pytest.raises(RunError) as refused:
        training_run.train_run(asked, out=out, resume=True)
    assert "has other settings: seed is 5, asked for is 6; learning_rate is 0.001, asked for is 0.5." in str(
        refused.value
    )


def test_other_data_are_refused(tmp_path: Path) -> None:
    out = stopped_after(1, tmp_path / "run")
    found = checkpoints.load_latest(out, pytest.fail)
    assert found is not None
    found.identity["data"]["x_train"] = "0" * 64
    checkpoints.write(out, found)
    with pytest.raises(RunError, match="was trained on other data"):
        training_run.train_run({}, out=out, resume=True)


def test_other_versions_are_told(whole: Path, tmp_path: Path) -> None:
    out = stopped_after(1, tmp_path / "run")
    found = checkpoints.load_latest(out, pytest.fail)
    assert found is not None
    found.identity["versions"]["jax"] = "0.0.1"
    found.identity["processor"] = "another"
    checkpoints.write(out, found)
    told: list[str] = []
    training_run.train_run({}, out=out, resume=True, callbacks=Callbacks(warning=told.append))
    assert told == [
        "The run began with other versions of jax and on another processor: the result may differ in its last bits."
    ]


def test_a_checkpoint_of_another_network_is_refused(tmp_path: Path) -> None:
    out = stopped_after(1, tmp_path / "run")
    found = checkpoints.load_latest(out, pytest.fail)
    assert found is not None
    found.values[0] = np.zeros((3, 3), np.float32)
    checkpoints.write(out, found)
    with pytest.raises(RunError, match="are of another network"):
        training_run.train_run({}, out=out, resume=True)


def test_a_folder_that_is_no_run_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letters.txt").write_text("dear")
    with pytest.raises(RunError, match=r"holds letters\.txt, but no run"):
        training_run.train_run(ASKED, out=tmp_path, resume=True)
    assert (tmp_path / "letters.txt").read_text() == "dear"
    with pytest.raises(RunError, match="is not empty, and nothing is overwritten"):
        training_run.train_run(ASKED, out=tmp_path)


ODD = ['{"epochs": true}', '{"settings": 5}', '{"settings": {"units": []}}', '{"recipe": {}}', '{"seed": 1e30}']


@pytest.mark.parametrize("content", ["", "{", "[]", '{"epoch": 3}', '{"epochs": 0}', *ODD])
def test_a_config_that_cannot_be_read_is_an_error(content: str, tmp_path: Path) -> None:
    (tmp_path / run_folder.CONFIG).write_text(content)
    with pytest.raises(RunError, match=r"config\.json cannot be read as that of a run"):
        training_run.train_run({}, out=tmp_path, resume=True)


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    out = stopped_after(1, tmp_path / "run")
    with filelock.FileLock(out / run_folder.LOCK), pytest.raises(RunError, match="Another process is at work in"):
        training_run.train_run({}, out=out, resume=True)
    training_run.train_run({}, out=out, resume=True)


def test_diverging_keeps_the_last_good_epoch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "run"
    epoch = loop.TrainSession.epoch

    def diverging(self: loop.TrainSession, order: np.ndarray, number: int, epochs: int) -> Any:
        for moment in epoch(self, order, number, epochs):
            yield moment if number < 3 else loop.TrainProgress(number, epochs, 45, 45, {"loss": float("nan")}, 1.0, 1.0)

    monkeypatch.setattr(loop.TrainSession, "epoch", diverging)
    with pytest.raises(TrainingError, match=r"loss is nan in epoch 3.*Epoch 2, the last good one, is kept in"):
        training_run.train_run(ASKED, out=out)
    found = checkpoints.load_latest(out, pytest.fail)
    assert found is not None
    assert found.epoch == 2


def test_a_full_disk_keeps_what_is_safe(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out, write = tmp_path / "run", files.write_durably

    def full(path: Path, parts: Any) -> None:
        if path.name == "checkpoint-00003.bin":
            raise OSError(28, "No space left on device")
        write(path, parts)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "write_durably", full)
        with pytest.raises(RunError) as stopped:
            training_run.train_run(ASKED, out=out)
    assert "epoch 3 cannot be written" in str(stopped.value)
    assert "No space left on device. Epochs 1 to 2 are safe: make room, then go on with mnistry train --resume" in str(
        stopped.value
    )
    training_run.train_run({}, out=out, resume=True)
    assert summary(out)["weights_sha256"] == summary(whole)["weights_sha256"]


def test_what_a_kill_leaves_of_the_results_is_done_again(whole: Path, tmp_path: Path) -> None:
    out = stopped_after(4, tmp_path / "run")
    for half in (out / run_folder.UNFINISHED / run_folder.SUMMARY, out / "figures" / "old.png", out / "model.keras"):
        half.parent.mkdir(exist_ok=True)
        half.write_text("half")
    training_run.train_run({}, out=out, resume=True)
    assert summary(out)["weights_sha256"] == summary(whole)["weights_sha256"]
    assert sorted(path.name for path in out.iterdir()) == sorted(path.name for path in whole.iterdir())
    assert sorted(path.name for path in (out / "figures").iterdir()) == sorted(
        path.name for path in (whole / "figures").iterdir()
    )
    assert keras.saving.load_model(out / "model.keras").count_params() == 101_770


def test_killed_at_random_moments_and_gone_on_with(whole: Path, tmp_path: Path) -> None:
    moments = random.Random(1)
    command = [sys.executable, "-m", "mnistry", "train", *FLAGS, "--resume", "--out", str(tmp_path / "run")]
    for _ in range(4):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True)
        time.sleep(moments.uniform(0.5, 5))
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert summary(tmp_path / "run")["weights_sha256"] == summary(whole)["weights_sha256"]


def test_an_interrupted_training_says_how_to_go_on(tmp_path: Path) -> None:
    flags = ["--dataset", "digits", "--epochs", "100000", "--out", "run"]
    command = [sys.executable, "-m", "mnistry", "train", *flags]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline().startswith("epoch      1/100000")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.strip().endswith("go on with: mnistry train --resume --out run")
    assert "Traceback" not in errors
    assert checkpoints.load_latest(tmp_path / "run", pytest.fail) is not None


def test_resume_needs_its_folder(mnistry: Any) -> None:
    done = mnistry("train", "--resume")
    assert done.returncode == 2
    assert done.stderr == "mnistry: --resume needs the run folder: mnistry train --resume --out RUN\n"


def test_the_command_prints_an_epoch_a_line_and_the_result(mnistry: Any, whole: Path) -> None:
    done = mnistry("train", *FLAGS, "--out", "run")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line[:9] for line in lines[:4]] == ["epoch 1/4", "epoch 2/4", "epoch 3/4", "epoch 4/4"]
    result = summary(whole)["test"]
    assert f"{result['errors']} errors in 360 test images: accuracy {result['accuracy']:.2%}" in done.stdout
    assert lines[-1].startswith("report  run/report.html")


def test_devices_share_the_batches(mnistry: Any, tmp_path: Path, whole: Path) -> None:
    done = mnistry("train", *FLAGS, "--devices", "2", "--out", "run")
    assert done.returncode == 0, done.stderr
    losses = [record["loss"] for record in summary(tmp_path / "run")["epochs"]]
    np.testing.assert_allclose(losses, [record["loss"] for record in summary(whole)["epochs"]], rtol=1e-4)
    refused = mnistry("train", *FLAGS, "--devices", "3", "--out", "other")
    assert refused.returncode == 2
    assert (
        "3 devices must be able to share a batch evenly: the batch size must be a multiple; received 32"
        in refused.stderr
    )
    assert not (tmp_path / "other").exists()


# The strong recipe


@pytest.fixture(scope="module")
def strong(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the strong recipe that nothing interrupted; short and far from strong."""
    return training_run.train_run(STRONG, out=tmp_path_factory.mktemp("runs") / "strong")[0]


def test_a_strong_run_says_what_it_trained_and_calibrated_on(strong: Path, digits: Dataset) -> None:
    told = summary(strong)
    assert told["calibration"]["images"] == count_validation(digits, 1 / 12) == 116
    assert told["calibration"]["others"] == 116 + calibration.DRAWN  # the same images degraded, and drawn digits
    assert [record["epoch"] for record in told["epochs"]] == [1, 2, 3]
    assert told["epochs"][-1]["val_accuracy"] > 0.6
    assert told["epochs"][-1]["val_loss"] < told["epochs"][0]["val_loss"]
    assert json.loads((strong / run_folder.CONFIG).read_text()) == {
        "recipe": "strong", "dataset": "digits", "epochs": 3, "batch_size": 32, "seed": 1, "learning_rate": 0.1,
        "validation": 1 / 12, "devices": 1, "teachers": None, "initial": None, "kind": None, "settings": {},
    }  # fmt: skip


def test_the_exported_model_is_the_network_with_its_calibration(strong: Path, digits: Dataset) -> None:
    recognizer = Recognizer.load(strong / onnx_file.EXPORTED)
    answers, chosen = recognizer.predict_all(digits.x_test, again=False), summary(strong)["calibration"]
    model = keras.saving.load_model(strong / "model.keras", compile=False)
    assert {type(layer).__module__.split(".")[0] for layer in model.layers} == {"keras"}
    outputs = backend.predict(model, digits.x_test).astype(np.float64)
    powers = outputs[:, :10] ** (1 / chosen["temperature"])
    np.testing.assert_allclose(answers.probabilities, powers / powers.sum(axis=1, keepdims=True), atol=1e-4)
    np.testing.assert_allclose(answers.digitness, 1 - outputs[:, 10], atol=1e-4)
    info = recognizer.info
    for name in ("temperature", "sure_threshold", "digit_threshold", "second_look"):
        assert getattr(info, name) == chosen[name]
    assert info.second_look == UNSURE
    assert info.recipe == "strong"
    assert info.details["weights_sha256"] == summary(strong)["weights_sha256"] == training_result.hash_weights(model)


def test_the_summary_of_a_strong_run_is_that_of_its_calibrated_probabilities(strong: Path, digits: Dataset) -> None:
    probabilities = Recognizer.load(strong / onnx_file.EXPORTED).predict(digits.x_test)
    again, told = metrics.evaluate(probabilities, digits.y_test), summary(strong)["test"]
    assert again.errors == told["errors"]
    assert again.loss == pytest.approx(told["loss"], rel=1e-3)
    assert told["accuracy"] > 0.6


def test_a_killed_strong_run_goes_on_to_the_same_bits(strong: Path, tmp_path: Path) -> None:
    out = stopped_after(2, tmp_path / "run", STRONG)
    training_run.train_run({}, out=out, resume=True)
    for name in ("weights_sha256", "calibration", "test"):
        assert summary(out)[name] == summary(strong)[name]
    for part in ("loss", "accuracy", "val_loss"):
        assert [r[part] for r in summary(out)["epochs"]] == [r[part] for r in summary(strong)["epochs"]]


def test_a_strong_run_can_be_examined(mnistry: Any, strong: Path) -> None:
    done = mnistry("evaluate", strong, "--no-corruptions", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["test"]["errors"] == summary(strong)["test"]["errors"]
    assert found["model"]["recipe"] == "strong"
    assert found["dataset"] == summary(strong)["dataset"]
    assert found["uncalibrated"]["loss"] != found["test"]["loss"]
