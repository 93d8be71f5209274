"""The README's first table: one row per claim, put together from the results of the other benchmarks."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
HEAD = {"en": "| what | figure | where | command |", "ko": "| 항목 | 수치 | 환경 | 명령 |"}
CORES = {"en": "2 cores", "ko": "코어 2개"}


def table(language: str = "en") -> str:
    """Show the claims as a Markdown table, in English or Korean."""
    rows = ([*row[language], row["command"]] for row in _rows())
    lines = (
        f"| {what} | {figure} | {where or CORES[language]} | `{command}` |" for what, figure, where, command in rows
    )
    return "\n".join([HEAD[language], "|---|---|---|---|", *lines])


def _rows() -> list[dict[str, Any]]:
    """For each claim: the command that measures it, and for each language what, figure and where ("": on two cores)."""
    lesson, seeds, kills, model, hand, serving, install = (
        json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
        for name in ("lesson", "seeds", "kills", "model", "handwriting", "serving", "install")
    )
    ours, cold, keras = (_process(lesson, name) for name in ("ours, warm", "ours, cold", "Keras on TensorFlow"))
    accuracy = [row["ours"]["accuracy"] for row in seeds["seeds"]]
    mean = f"{statistics.mean(accuracy):.2%} ± {statistics.stdev(accuracy):.2%}"
    errors, n = model["evaluation"]["test"]["errors"], model["evaluation"]["test"]["n"]
    one, several, non = hand["single"], hand["several"], hand["nondigit"]
    p50, rate = serving["one"]["p50"], serving["eight"]["rate"]
    size = f"{install['rows'][0]['bytes'] / 1e6:,.0f} MB"
    handwriting = "python benchmarks/handwriting.py"
    return [
        {
            "command": "mnistry tutorial",
            "en": ("the whole lesson, report included", f"{ours:.0f} s; the first time {cold:.0f} s", ""),
            "ko": ("보고서까지 포함한 수업 전체", f"{ours:.0f}초, 처음 실행할 때는 {cold:.0f}초", ""),
        },
        {
            "command": "make bench",
            "en": ("the lesson's own script, Keras on TensorFlow", f"{keras:.0f} s", "the same 2 cores"),
            "ko": ("수업의 원래 스크립트, TensorFlow 백엔드의 Keras", f"{keras:.0f}초", "같은 코어 2개"),
        },
        {
            "command": "python benchmarks/seeds.py",
            "en": ("the lesson's test accuracy, mean of seeds 0–4", mean, ""),
            "ko": ("수업의 평가 정확도, 시드 0–4의 평균", mean, ""),
        },
        {
            "command": "python benchmarks/kills.py",
            "en": ("killed and resumed, same weights to the bit", f"{kills['identical']} of {kills['kills']}", ""),
            "ko": (
                "강제 종료한 뒤 이어서 학습, 비트 단위까지 같은 가중치",
                f"{kills['kills']}번 중 {kills['identical']}번",
                "",
            ),
        },
        {
            "command": "mnistry evaluate",
            "en": ("the built-in model on MNIST's test images", f"{errors} errors in {n:,}", "any"),
            "ko": ("내장 모델, MNIST 평가 이미지", f"{n:,}개 중 오류 {errors}개", "무관"),
        },
        {
            "command": handwriting,
            "en": (
                f"people's own digits, one per picture, of {one['pictures']}",
                f"{one['read']:.1%} right; {one['right']:.1%} with `--single`",
                "any",
            ),
            "ko": (
                f"사람들이 직접 쓴 숫자, 그림마다 하나, {one['pictures']}장",
                f"정답률 {one['read']:.1%}, `--single`이면 {one['right']:.1%}",
                "무관",
            ),
        },
        {
            "command": handwriting,
            "en": (
                f"people's own numbers, several digits per picture, of {several['pictures']}",
                f"{several['exact']:.1%} read exactly",
                "any",
            ),
            "ko": (
                f"사람들이 직접 쓴 수, 그림마다 여러 숫자, {several['pictures']}장",
                f"정확히 읽은 비율 {several['exact']:.1%}",
                "무관",
            ),
        },
        {
            "command": handwriting,
            "en": (
                f"letters, doodles, blank paper: a sure digit found in, of {non['pictures']}",
                f"{non['sure_read']:.1%}; {non['sure_single']:.1%} with `--single`",
                "any",
            ),
            "ko": (
                f"글자, 낙서, 빈 종이에서 숫자를 확신한 비율, {non['pictures']}장",
                f"{non['sure_read']:.1%}, `--single`이면 {non['sure_single']:.1%}",
                "무관",
            ),
        },
        {
            "command": "python benchmarks/serving.py",
            "en": ("a drawing sent to the service: answered in; per second", f"{p50:.0f} ms; {rate:.0f}", ""),
            "ko": ("서비스에 보낸 그림 한 장의 응답 시간, 초당 처리 이미지 수", f"{p50:.0f} ms, {rate:.0f}장", ""),
        },
        {
            "command": "python benchmarks/install.py",
            "en": ("installed for reading only", size, "Linux x86-64"),
            "ko": ("읽기만 위한 설치의 크기", size, "Linux x86-64"),
        },
    ]


def _process(lesson: dict[str, Any], name: str) -> float:
    """The median seconds of the whole process of a contender."""
    return statistics.median(row["process_seconds"] for row in lesson["rows"] if row["contender"] == name)


if __name__ == "__main__":
    print(table())
