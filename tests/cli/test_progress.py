"""The words of the lesson beside its steps, in both languages."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from mnistry.cli import progress
from mnistry.datasets import loading
from mnistry.reporting.language import ENGLISH, Language

KOREAN = Language("ko")


@pytest.mark.parametrize(
    ("language", "line", "warning"),
    [
        (ENGLISH, "report  run/report.html   (3.9 s in all)", "This was not MNIST but the UCI digits: see"),
        (KOREAN, "보고서  run/report.html   (모두 3.9초)", "MNIST가 아니라 UCI 손글씨 숫자로 진행했습니다."),
    ],
)
def test_the_last_line_and_the_warning_about_other_digits(
    language: Language, line: str, warning: str, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset = SimpleNamespace(name="digits", title="the UCI digits", fallback="nowhere")
    progress.say_where(Path("run"), SimpleNamespace(dataset=dataset, seconds={"total": 3.94}), language)  # type: ignore[arg-type] # as much of a result as is read
    shown = capsys.readouterr()
    assert shown.out == f"{line}\n"
    assert warning in shown.err


@pytest.mark.parametrize(
    ("language", "words"),
    [
        (ENGLISH, ["train", "epoch 2/5", "1,500 steps/s", "loss 0.2500  accuracy 92.00%", "left"]),
        (KOREAN, ["학습", "에포크 2/5", "초당 1,500단계", "손실 0.2500  정확도 92.00%", "남음"]),
    ],
)
def test_the_bar_of_a_training_speaks_the_language(
    language: Language, words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # as in a terminal
    monkeypatch.setenv("COLUMNS", "120")
    moment = SimpleNamespace(
        epoch=2, epochs=5, step=3, steps=10, steps_per_second=1500.0, logs={"loss": 0.25, "accuracy": 0.92}
    )
    with progress.LiveBars(language) as bars:
        bars.training(moment)  # type: ignore[arg-type] # as much of a moment as is read
    shown = capsys.readouterr().err
    assert [word for word in words if word not in shown] == []


def test_a_replaced_data_set_is_told_in_the_language(capsys: pytest.CaptureFixture[str]) -> None:
    progress.warn_about(replace(loading.load("digits"), fallback="MNIST was not found."), KOREAN)
    assert "MNIST가 아닙니다. 소프트웨어에 들어 있는 UCI 손글씨 숫자로 진행합니다." in capsys.readouterr().err
