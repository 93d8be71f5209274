"""The tables of the benchmarks in Korean, for README.ko.md: the same figures, other words."""

from __future__ import annotations

import re

NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")
CELLS = {  # a number sign replaces a number; numbers keep their order
    "what": "항목",
    "figure": "수치",
    "fit": "학습",
    "ours / it": "우리 / 상대",
    "whole process": "프로세스 전체",
    "memory": "메모리",
    "accuracy": "정확도",
    "ours, warm": "mnistry, 캐시 있음",
    "ours, cold": "mnistry, 처음 실행",
    "Keras on TensorFlow": "TensorFlow 위의 Keras",
    "Keras `fit` on JAX": "JAX 위의 Keras `fit`",
    "PyTorch loop": "PyTorch 학습 루프",
    "matrix products, NumPy": "NumPy 행렬 곱만",
    "the same, one thread": "같은 계산, 스레드 하나",
    "errors on MNIST's # test images": "MNIST 평가 이미지 #개 중 오류",
    "accuracy, with its #% interval": "정확도와 #% 신뢰 구간",
    "#% (#% to #%)": "#% (#%~#%)",
    "log loss": "로그 손실",
    "expected calibration error": "기대 보정 오차",
    "said to be sure; right among those": "확실하다고 한 비율; 그중 맞은 비율",
    "mean accuracy over fifteen corruptions": "열다섯 가지 손상의 평균 정확도",
    "pictures of no digit against test digits: AUROC": "숫자가 아닌 그림과 평가 숫자의 구별: AUROC",
    "the same: rejected where #% of digits are kept": "같은 구별: 숫자의 #%를 남길 때 거절한 비율",
    "one digit in a picture (# pictures), right": "그림마다 숫자 하나(#장), 정답률",
    "the same without `--single`: this digit and no other": "같은 그림을 `--single` 없이: 그 숫자 하나만 읽음",
    "one digit cut from a photo (#), right": "사진에서 잘라 낸 숫자 하나(#장), 정답률",
    "several digits (#), read exactly, blanks apart": "여러 숫자(#장), 빈칸 말고는 정확히 읽음",
    "the same, digits wrong, missing or extra for each #": "같은 그림, 숫자 #개마다 틀리거나 빠지거나 더한 개수",
    "one digit: said to be sure": "숫자 하나: 확실하다고 한 비율",
    "one digit: right among those": "숫자 하나: 그중 맞은 비율",
    "letters, doodles, blank paper (#), said to be a digit and sure": "글자, 낙서, 빈 종이(#장)를 숫자라고 확신한 비율",
    "the same, any digit found and sure without `--single`": "같은 그림, `--single` 없이 확실한 숫자를 찾은 비율",
    "small pictures a second, one process": "작은 그림의 초당 처리 이미지 수, 프로세스 하나",
    "a photo of # megapixels": "#메가픽셀 사진 한 장",
    "`mnistry read one.png`, start to finish": "`mnistry read one.png`, 시작부터 끝까지",
    "# s": "#초",
    "# (#–#) s": "# (#–#)초",
}


def korean(table: str) -> str:
    """A Markdown table with its cells in Korean; cells without words, and words that have no Korean, stay."""
    return "\n".join(
        line if line.startswith("|---") else "|".join(_cell(cell) for cell in line.split("|"))
        for line in table.split("\n")
    )


def _cell(cell: str) -> str:
    text = cell.strip()
    found = CELLS.get(NUMBER.sub("#", text))
    if found is None:
        return cell
    numbers = iter(NUMBER.findall(text))
    return f" {re.sub('#', lambda _: next(numbers), found)} "
