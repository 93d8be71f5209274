"""Rules for all files of the repository."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def tracked() -> list[Path]:
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in done.stdout.split("\0") if name and (ROOT / name).is_file()]


def test_constraints_pin_versions_and_nothing_else() -> None:
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        assert re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", line), line


def test_every_dependency_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [line for lines in project["optional-dependencies"].values() for line in lines]
    names = [re.match(r"[A-Za-z0-9_-]+", line).group() for line in project["dependencies"] + extras]
    pinned = {line.split("==")[0].lower().replace("_", "-") for line in (ROOT / "constraints.txt").read_text().split()}
    assert [name for name in names if name.lower() not in pinned | {"mnistry"}] == []


def test_no_mnist_files_are_tracked() -> None:
    assert [path for path in tracked() if "ubyte" in path.name] == []


def test_tracked_files_are_small() -> None:
    assert [path.name for path in tracked() if path.stat().st_size > 2_000_000] == []


def test_no_path_of_one_machine_is_tracked() -> None:
    place = re.compile(r"(?<![\w.$}])/(?:work|root|tmp|mnt|Users)/\w[^\s\"')`]*")
    found = [
        (path.name, match.group())
        for path in tracked()
        if path.suffix not in {".png", ".jpg", ".onnx", ".mo", ".npz", ".gz", ".ico", ".woff2", ".pdf", ".heic"}
        for match in place.finditer(path.read_text(encoding="utf-8", errors="replace"))
    ]
    assert found == []


def test_modules_have_at_most_450_lines() -> None:
    modules = [path for path in tracked() if path.suffix == ".py" and (ROOT / "src") in path.parents]
    assert len(modules) > 100
    assert [path.name for path in modules if len(path.read_text(encoding="utf-8").splitlines()) > 450] == []


def test_no_addresses_but_the_mirrors() -> None:
    allowed = {"catalog.py"}  # the public mirrors
    # The last two begin a file of Git LFS and name a vocabulary.
    nowhere = r"127\.0\.0\.1|somewhere\.invalid|a\.\.b|digits\.example|git-lfs|www\.w3\.org/2000/svg"
    address = re.compile(rf"https?://(?!{nowhere})[\w.-]+")
    for path in tracked():
        if path.suffix in {".py", ".md", ".toml", ".txt", ".html", ""} and path.name not in allowed:
            found = address.findall(path.read_text(encoding="utf-8"))
            assert not found, f"{path.name}: {found}"


def docstrings(path: Path) -> list[str]:
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    return [text for node in nodes if isinstance(node, kinds) and (text := ast.get_docstring(node))]


def test_docstrings_begin_with_a_verb_or_a_noun() -> None:
    found = [(path.name, text) for path in tracked() if path.suffix == ".py" for text in docstrings(path)]
    assert len(found) > 2000
    question = re.compile(r"(What|How|Whether|Where|Why|Which|When|Who|Whose)\b")
    assert [each for each in found if question.match(each[1])] == []


def test_docstrings_have_plain_words() -> None:
    stilted = re.compile(
        r"(?<!there )\b(is|are)\s+no\s+(?!longer|more|less|worse|\w+er\b)|\bstands\b|\bis told\b|\bso many\b", re.I
    )
    modules = [path for path in tracked() if path.suffix == ".py" and (ROOT / "src") in path.parents]
    found = [(path.name, stilted.search(text)) for path in modules for text in docstrings(path)]
    assert [(name, match.group()) for name, match in found if match] == []
