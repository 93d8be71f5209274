"""The usual names of splits, labels and files."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

SPLITS = {
    "train": "train", "training": "train", "trn": "train", "learn": "train",
    "test": "test", "testing": "test", "tst": "test", "t10k": "test", "holdout": "test",
    "val": "validation", "valid": "validation", "validation": "validation", "dev": "validation",
    "eval": "validation", "evaluation": "validation",
}  # fmt: skip
ELSEWHERE = {  # in other languages, without accents; the last are fillers
    "train": (
        "학습 훈련 训练 訓練 学習 trainings apprentissage entrainement entrenamiento treinamento treino addestramento "
        "обучение обучающая"
    ),
    "test": (
        "평가 시험 테스트 测试 測試 テスト 評価 tests prueba pruebas teste testes prova collaudo essai тест тестовая"
    ),
    "validation": "검증 验证 驗證 検証 validierung validacion validacao validazione валидация",
    "": (
        "데이터 데이터셋 세트 셋 용 이미지 사진 그림 집합 集 数据 数据集 資料 用 データ セット daten datensatz "
        "bilder donnees jeu de d datos conjunto imagenes dados imagens dati выборка данные"
    ),
}
MEANINGS = {word: split for split, words in ELSEWHERE.items() for word in words.split()}
ALL_SPLITS = SPLITS | {word: split for word, split in MEANINGS.items() if split}
FILLERS = {
    "set", "sets", "data", "dataset", "datasets", "image", "images", "img", "imgs", "pictures", "split", "samples",
    "folder", "part", "x", "y", "labels", "label", "targets", "target", "digits", "mnist", "the", "files", "csv", "png",
    "jpg", "jpeg", "resized", "all", "full", "of", "and", *(word for word, split in MEANINGS.items() if not split),
}  # fmt: skip
LABELS = (
    "label", "labels", "class", "classes", "target", "targets", "y", "digit", "category", "class_name", "classname",
    "cls",
)  # fmt: skip
INDICES = ("", "index", "id", "unnamed: 0", "imageid", "image_id", "row", "row_id", "no", "number", "__index_level_0__")
BESIDE = (*INDICES, "__key__", "__url__", "path", "file", "filename", "file_name", "name", "split")  # are no labels
SPLIT_COLUMNS = ("split", "subset", "set", "usage")
PICTURES = ("image", "images", "img", "picture", "pixel_values")

ADDED = ("__MACOSX", "__pycache__")  # folders that computers add


def is_hidden(name: str) -> bool:
    """Tell whether a file or folder is hidden, or one that computers add, by its name.

    >>> is_hidden(".git"), is_hidden("__MACOSX"), is_hidden("_background_noise_")
    (True, True, False)
    """
    return name.startswith(".") or name in ADDED


def split_words(name: str) -> list[str]:
    """The words of a name, in lower case; "trainset" and "xtest" are two.

    >>> split_words("trainingSet"), split_words("MNIST_train-2"), split_words("xtest"), split_words("valve")
    (['training', 'set'], ['mnist', 'train', '2'], ['x', 'test'], ['valve'])
    >>> split_words("학습용 데이터"), split_words("Entraînement")
    (['학습', '용', '데이터'], ['entrainement'])
    """
    plain = unicodedata.normalize("NFC", re.sub("[\u0300-\u036f]", "", unicodedata.normalize("NFKD", name)))
    parts = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", plain)
    words = re.findall(r"[a-z]+[0-9]*[a-z]*|[0-9]+|[^\W\d_a-z]+", parts.lower())
    return [each for word in words for each in _split_compound(word)]


def find_split(name: str, *, prefix: bool = False) -> str | None:
    """The split that a folder or array is named after: "train", "test" or "validation"; None if it is another name.

    Args:
        name: without an extension.
        prefix: whether other words may follow it, as in emnist-letters-train.

    >>> find_split("TRAIN"), find_split("testSet"), find_split("val_images"), find_split("trains")
    ('train', 'test', 'validation', None)
    >>> find_split("훈련 데이터"), find_split("평가용"), find_split("Testdaten")
    ('train', 'test', 'test')
    >>> find_split("emnist-letters-train"), find_split("emnist-letters-train", prefix=True)
    (None, 'train')
    """
    found, others = [], 0
    for word in split_words(name):
        if word in ALL_SPLITS:
            found.append(ALL_SPLITS[word])
        elif word not in FILLERS and not word.isdigit():
            others += 1
    return found[0] if len(set(found)) == 1 and (prefix or not others) else None


def find_named(names: Iterable[str], known: Iterable[str]) -> str | None:
    """The first of some known words that is among names, whatever its case; None if there is none.

    >>> find_named(["pixel0", "Label"], LABELS)
    'Label'
    """
    by_word = {name.strip().lower(): name for name in reversed(list(names))}
    return next((by_word[word] for word in known if word in by_word), None)


def sort_numbered(names: Sequence[str]) -> list[str]:
    """Names with a number each in the order of these, if they count; else as they are.

    >>> sort_numbered(["pixel0", "pixel10", "pixel1"]), sort_numbered(["1x10", "1x9"]), sort_numbered(["a2", "a0"])
    (['pixel0', 'pixel10', 'pixel1'], ['1x10', '1x9'], ['a2', 'a0'])
    >>> sort_numbered(["a1", "a3", "a2"])
    ['a1', 'a2', 'a3']
    """
    found = [re.findall(r"\d+", name) for name in names]
    if any(len(numbers) != 1 for numbers in found):
        return list(names)
    by_number = {int(number): name for (number,), name in zip(found, names, strict=True)}
    ordered = sorted(by_number)
    counted = len(ordered) == len(names) and ordered[-1] - ordered[0] == len(names) - 1
    return [by_number[number] for number in ordered] if counted else list(names)


def strip_prefix(names: Sequence[str]) -> list[str]:
    """Names without the words or letters that all begin with; as they are where too little would be left.

    >>> strip_prefix(["label_0", "label_1"]), strip_prefix(["full_bitmap_cat", "full_bitmap_car"])
    (['0', '1'], ['cat', 'car'])
    >>> strip_prefix(["digit0", "digit10"]), strip_prefix(["cat", "car"]), strip_prefix(["a_b", "a_"])
    (['0', '10'], ['cat', 'car'], ['a_b', 'a_'])
    """
    low, high = min(names), max(names)
    start = low[
        : next((n for n, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), min(len(low), len(high)))
    ]
    if match := re.match(r".*[\W_]", start):
        start = match[0]
    else:
        start = start.rstrip("0123456789")
        start = start if start.lower() in LABELS else ""
    rest = [name[len(start) :].rstrip("]") for name in names]
    return rest if all(rest) else list(names)


def _split_compound(word: str) -> list[str]:
    for split in ALL_SPLITS:
        if word.startswith(split) and word[len(split) :] in FILLERS:
            return [split, word[len(split) :]]
        if word.endswith(split) and word[: -len(split)] in FILLERS:
            return [word[: -len(split)], split]
    return [word]
