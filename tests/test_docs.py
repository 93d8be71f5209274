from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parent.parent
README, KOREAN = ROOT / "README.md", ROOT / "README.ko.md"
NOTEBOOK = ROOT / "examples" / "lesson.ipynb"
DOCS = [README, KOREAN, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.fixture(scope="module")
def write_docs() -> ModuleType:
    spec = importlib.util.spec_from_file_location("write_docs", ROOT / "tools" / "write_docs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def blocks(path: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", path.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def test_the_tables_are_those_of_the_results(write_docs: ModuleType) -> None:
    for page in write_docs.PAGES:
        text = page.read_text(encoding="utf-8")
        assert text == write_docs.with_tables(text), "run: make docs"


def test_the_command_reference_is_current(write_docs: ModuleType) -> None:
    assert write_docs.REFERENCE.read_text(encoding="utf-8") == write_docs.reference(), "run: make docs"


def test_the_readmes_python_runs(tmp_path: Path) -> None:
    for block in blocks(README, "python"):
        done = subprocess.run([sys.executable, "-c", block], capture_output=True, text=True, cwd=tmp_path, check=False)
        assert done.returncode == 0, done.stderr
        assert re.fullmatch(r"\d+ errors in 360 images\n", done.stdout)


def test_both_readmes_say_the_same() -> None:
    english, korean = README.read_text(encoding="utf-8"), KOREAN.read_text(encoding="utf-8")
    for language in ("sh", "text", "python"):
        assert blocks(README, language) == blocks(KOREAN, language)
    assert len(re.findall(r"^## ", english, re.MULTILINE)) == len(re.findall(r"^## ", korean, re.MULTILINE))
    links = [sorted(re.findall(r"\]\(([^)]+)\)", text)) for text in (english, korean)]
    assert [link for link in links[0] if "README" not in link] == [link for link in links[1] if "README" not in link]
    figures = [sorted(re.findall(r"\d+\.\d+%", text)) for text in (english, korean)]
    assert set(figures[0]) == set(figures[1])
    english_code, korean_code = (set(re.findall(r"`([^`\n]+)`", text)) for text in (english, korean))
    assert english_code <= korean_code


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", path.read_text(encoding="utf-8")):
        assert (path.parent / target).exists(), f"{path.name} links to {target}"


def test_make_knows_the_commands_of_the_readme() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for block in blocks(README, "sh") + blocks(ROOT / "CONTRIBUTING.md", "sh"):
        for target in re.findall(r"^make (\w+)", block, re.MULTILINE):
            assert re.search(rf"^{target}:", makefile, re.MULTILINE)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")  # of Jupyter's own kernel client
def test_the_notebook_runs_and_gives_what_it_shows(mnist_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MNISTRY_DATA_DIR", str(mnist_folder))
    stored = nbformat.read(NOTEBOOK, as_version=4)
    fresh = nbformat.read(NOTEBOOK, as_version=4)
    for cell in fresh.cells:
        if cell.cell_type == "code":
            cell.outputs = []
    NotebookClient(fresh, timeout=300, kernel_name="python3", record_timing=False).execute()
    pairs = zip(stored.cells, fresh.cells, strict=True)
    for number, (was, now) in enumerate((was, now) for was, now in pairs if was.cell_type == "code"):
        assert kinds(was) == kinds(now)
        if number < 7:  # what depends on training differs in its last digits between machines
            assert texts(was) == texts(now)
    assert "the label says 5" in texts(fresh.cells[-1])
    assert "101,770" in "".join(texts(cell) for cell in fresh.cells if cell.cell_type == "code")


def test_the_notebook_says_what_each_step_does() -> None:
    cells = nbformat.read(NOTEBOOK, as_version=4).cells
    steps = [cell.source for cell in cells if cell.cell_type == "markdown"][1:]
    assert [int(re.match(r"\*\*(\d+) ·", step).group(1)) for step in steps] == list(range(1, 12))
    assert all(re.fullmatch(r"\*\*\d+ · [^*]+\.\*\* [A-Z].{60,}\.", step) for step in steps)  # name, then a sentence


def kinds(cell: nbformat.NotebookNode) -> list[str]:
    return [output.output_type for output in cell.outputs]


def texts(cell: nbformat.NotebookNode) -> str:
    parts = [output.get("text") or output.get("data", {}).get("text/plain", "") for output in cell.outputs]
    return "".join(parts)
