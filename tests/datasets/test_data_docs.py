"""The examples of docs/data.md do what it shows."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from helpers.drawn import write_folder
from mnistry.datasets import catalog, loading
from mnistry.errors import DataError

PAGE = (Path(__file__).parents[2] / "docs" / "data.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def test_the_python_about_models_prints_what_it_says(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "models.md").read_text(encoding="utf-8")
    (program,), (printed,) = (
        re.findall(rf"^```{language}\n(.*?)^```", page, re.DOTALL | re.MULTILINE) for language in ("python", "text")
    )
    program = program.replace("epochs=10", "epochs=1")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == printed


def test_the_python_prints_what_it_says(tmp_path: Path) -> None:
    (program,) = blocks("python")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == blocks("text")[0]


def test_the_example_of_a_wrong_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    pixels = ["0"] * 783
    rows = [["label", *(f"pixel{number}" for number in range(784))], ["5", "9", *pixels], ["0", "9", *pixels]]
    rows[2][4] = "many"
    rows.append(["4", *pixels])
    rows.append(["1", "9", *pixels])
    rows.extend(["3", "", *pixels] for _ in range(12))
    Path("own.csv").write_text("\n".join(",".join(row) for row in rows))
    with pytest.raises(DataError) as caught:
        loading.load("own.csv")
    assert str(caught.value).replace(f"{tmp_path}/", "") + "\n" == blocks("text")[1]


def test_the_table_of_names_is_whole() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \| .* \| ([\d,]+) \+ ([\d,]+) \| .* \| (.+) \|$", PAGE, re.MULTILINE)
    assert {row[0] for row in rows} == set(loading.LOADERS)
    terms = {row[0]: row[3] for row in rows}
    assert all(each.licence.startswith(terms[each.name]) for each in catalog.ALL)


def test_the_folders_of_the_table_of_forms(tmp_path: Path) -> None:
    assert "animals/cat/1.png" in PAGE
    folder = write_folder(tmp_path / "animals", 5)
    assert (folder / "cat" / "1.png").exists()
    assert loading.load(str(folder)).x_test.shape == (3, 28, 28)


@pytest.mark.parametrize("name", re.findall(r"^\| `(own[^`]*|animals[^`]*|test\.csv[^`]*)` \|", PAGE, re.MULTILINE))
def test_the_messages_are_real(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    x, y = np.zeros((4, 28, 28), np.uint8), np.array(["cat", "dog"] * 2)
    if "no folders" in name:
        write_folder(tmp_path / "others", 1)
        (tmp_path / "animals").mkdir()
        (tmp_path / "others" / "cat" / "0.png").rename(tmp_path / "animals" / "0.png")
    elif name.startswith("animals"):
        write_folder(tmp_path / "animals", 2)
        (tmp_path / "animals" / "newt").mkdir()
        if "ink" in name:
            from PIL import Image

            (tmp_path / "animals" / "newt").rmdir()
            Image.new("L", (40, 40), 255).save("animals/cat/7.png")
    elif name.startswith("test.csv"):
        Path("test.csv").write_text("\n".join([",".join(["pixel"] * 784), ",".join(["0"] * 784)]))
    elif "objects" in name:
        np.savez("own.npz", x_train=x.astype(object), y_train=y)
    else:
        np.savez("own.npz", x_train=x, y_train=y, x_test=x, y_test=np.array(["cat", "dog", "owl", "owl"]))
    path = re.match(r"animals|test\.csv|own\.npz", name)
    assert path is not None
    with pytest.raises(DataError) as caught:
        loading.load(path[0] if path[0] != "animals" else "./animals")
    told = str(caught.value).replace(f"{tmp_path}/", "")
    assert all(part in told for part in name.split(" … "))
