from __future__ import annotations

import importlib.util
import itertools
import re
from pathlib import Path
from types import ModuleType

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parent.parent
README, KOREAN = ROOT / "README.md", ROOT / "README.ko.md"
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


def code(block: str) -> list[str]:
    """The lines of a block without their comments."""
    return [re.sub(r" *(?<!\S)#.*", "", line) for line in block.splitlines()]


def test_both_readmes_say_the_same() -> None:
    english, korean = README.read_text(encoding="utf-8"), KOREAN.read_text(encoding="utf-8")
    for language in ("sh", "python"):
        assert [code(block) for block in blocks(README, language)] == [
            code(block) for block in blocks(KOREAN, language)
        ]
    pairs = zip(blocks(README, "text"), blocks(KOREAN, "text"), strict=True)
    for one, other in pairs:  # outputs, each in its language, with the same figures
        assert re.findall(r"\d+\.\d+%?", one) == re.findall(r"\d+\.\d+%?", other)
    assert len(re.findall(r"^## ", english, re.MULTILINE)) == len(re.findall(r"^## ", korean, re.MULTILINE))
    links = [sorted(re.findall(r"\]\(([^)]+)\)", text)) for text in (english, korean)]
    assert [link for link in links[0] if "README" not in link] == [link for link in links[1] if "README" not in link]
    figures = [sorted(re.findall(r"\d+\.\d+%", text)) for text in (english, korean)]
    assert set(figures[0]) == set(figures[1])
    english_code, korean_code = (set(re.findall(r"`([^`\n]+)`", text)) for text in (english, korean))
    assert english_code <= korean_code


def test_the_korean_readme_is_korean_in_its_comments_tables_and_outputs() -> None:
    text = KOREAN.read_text(encoding="utf-8")
    comments = [
        comment
        for language in ("sh", "python")
        for block in blocks(KOREAN, language)
        for comment in re.findall(r"(?<!\S)# (.+)", block)
        if not re.match(r"animals/", comment)
    ]
    assert len(comments) >= 8
    assert [comment for comment in comments if not re.search("[가-힣]", comment)] == []
    first = [row.split("|")[1].strip() for row in text.splitlines() if row.startswith("| ") and row.count("|") > 2]
    assert [cell for cell in first if re.search("[A-Za-z]{3}", cell) and not re.search("[가-힣]|^`", cell)] == [
        "scikit-learn"
    ]
    for block in blocks(KOREAN, "text"):
        assert not re.search(r"\b(the|why|probability of)\b", block, re.IGNORECASE)


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", path.read_text(encoding="utf-8")):
        assert (path.parent / target).exists(), f"{path.name} links to {target}"


def test_make_knows_the_commands_of_the_readme() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for block in blocks(README, "sh") + blocks(ROOT / "CONTRIBUTING.md", "sh"):
        for target in re.findall(r"^make (\w+)", block, re.MULTILINE):
            assert re.search(rf"^{target}:", makefile, re.MULTILINE)


@pytest.fixture(scope="module")
def write_lesson() -> ModuleType:
    spec = importlib.util.spec_from_file_location("write_lesson", ROOT / "tools" / "write_lesson.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def notebook(name: str) -> Path:
    return ROOT / "examples" / f"lesson{'.ko' if name == 'ko' else ''}.ipynb"


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")  # of Jupyter's own kernel client
@pytest.mark.parametrize(("name", "on_mnist"), [("en", True), ("ko", False)])
def test_the_notebook_runs_and_gives_what_it_shows(
    name: str, on_mnist: bool, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if on_mnist:
        monkeypatch.setenv("MNISTRY_DATA_DIR", str(request.getfixturevalue("mnist_folder")))
    stored, fresh = (nbformat.read(notebook(name), as_version=4) for _ in range(2))
    for cell in fresh.cells:
        if cell.cell_type == "code":
            cell.outputs = []
    resources = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(fresh, timeout=300, kernel_name="python3", record_timing=False, resources=resources).execute()
    pairs = zip(stored.cells, fresh.cells, strict=True)
    code = [(was, now) for was, now in pairs if was.cell_type == "code"]
    for number, (was, now) in enumerate(code[:-1]):
        assert kinds(was) == kinds(now)
        if on_mnist and number < 8:  # what depends on training differs in its last digits between machines
            assert texts(was) == texts(now)
    assert "101,770" in "".join(texts(now) for _, now in code)
    page = code[-1][1].outputs[0]["data"]["text/html"]
    assert page.startswith("<iframe srcdoc=")
    assert f"lang=&quot;{name}&quot;" in page


@pytest.mark.parametrize("name", ["en", "ko"])
def test_the_notebook_is_that_of_its_source(name: str, write_lesson: ModuleType) -> None:
    made = write_lesson.notebook_of(write_lesson.Language(name))
    stored = nbformat.read(notebook(name), as_version=4)
    assert [cell.source for cell in stored.cells] == [cell.source for cell in made.cells], "run: make docs"
    assert notebook(name).stat().st_size < 2_000_000


@pytest.mark.parametrize("name", ["en", "ko"])
def test_the_lesson_to_read_has_the_words_of_the_steps(name: str, write_lesson: ModuleType) -> None:
    language = write_lesson.Language(name)
    page = (ROOT / "docs" / f"lesson{'.ko' if name == 'ko' else ''}.md").read_text(encoding="utf-8")
    for step in write_lesson.steps(write_lesson.Facts()):
        for words in (step.title, *step.why, step.attempt):
            assert language.say(words) in page, "run: make docs"
        assert f"```python\n{step.code}\n```" in page, "run: make docs"
    assert "101,770" in page


def kinds(cell: nbformat.NotebookNode) -> list[str]:
    return [kind for kind, _ in itertools.groupby(output.output_type for output in cell.outputs)]


def texts(cell: nbformat.NotebookNode) -> str:
    parts = [output.get("text") or output.get("data", {}).get("text/plain", "") for output in cell.outputs]
    return "".join(parts)
