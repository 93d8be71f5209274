"""Two languages: the catalogue is complete and compiled, and texts fit a terminal whatever their letters."""

from __future__ import annotations

import ast
import gettext
import importlib.util
import itertools
import re
import string
from pathlib import Path
from types import ModuleType

import pytest

from mnistry.reporting import language
from mnistry.reporting.language import Language, message, plural

ROOT = Path(__file__).parents[2]
HANGUL = re.compile(r"[가-힣]")
ALIKE = {"{low:.2f} to {high:.2f}%"}  # texts that may be the same in both languages


@pytest.fixture(scope="module")
def translate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("translate", ROOT / "tools" / "translate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pairs(catalogue: object) -> list[tuple[str, str]]:
    """Each text with its translation."""
    found = []
    for text in catalogue:  # type: ignore[attr-defined] # a catalogue of Babel
        if text.id:
            one = text.id[0] if isinstance(text.id, tuple) else text.id
            found.append((one, text.string[0] if isinstance(text.string, tuple) else text.string or ""))
    return found


def test_the_catalogue_holds_the_texts_of_the_code_and_no_others(translate: ModuleType) -> None:
    assert {text.id for text in translate.korean()} == {text.id for text in translate.template()}, (
        "run: python tools/translate.py"
    )


def test_every_text_has_its_korean(translate: ModuleType) -> None:
    missing = [text for text, korean in pairs(translate.korean()) if not HANGUL.search(korean) and text not in ALIKE]
    assert missing == []
    assert len(pairs(translate.korean())) > 150


def fields(text: str) -> set[tuple[str, str]]:
    return {(name, spec or "") for _, name, spec, _ in string.Formatter().parse(text) if name is not None}


def test_translations_have_the_fields_the_code_and_the_commands_of_their_texts(translate: ModuleType) -> None:
    for text, korean in pairs(translate.korean()):
        assert fields(text) == fields(korean), text
        english_code = [each for each in re.findall(r"`[^`]+`", text) if ".ipynb" not in each]
        assert english_code == [each for each in re.findall(r"`[^`]+`", korean) if ".ipynb" not in each], text
        assert (text.count("**") > 0) == (korean.count("**") > 0), text


def test_the_compiled_catalogue_is_that_of_the_source(translate: ModuleType) -> None:
    with translate.KOREAN.with_suffix(".mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)
    assert compiled.ngettext("{n:,} error", "{n:,} errors", 2) == "오류 {n:,}개"
    for text in translate.korean():
        if text.id and not text.pluralizable:
            assert compiled.gettext(text.id) == text.string, "run: python tools/translate.py"


def test_no_text_of_the_lesson_is_outside_the_catalogue() -> None:
    """In the lesson's modules each sentence is marked; the page's elements have no bare words."""
    for path in (ROOT / "src" / "mnistry" / "training" / "lesson").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "text":
                for argument in node.args:
                    assert not (isinstance(argument, ast.Constant) and " " in str(argument.value).strip()), (
                        argument.value
                    )
    templates = ROOT / "src" / "mnistry" / "reporting" / "templates"
    page = (templates / "lesson.html").read_text(encoding="utf-8")
    body = page[page.index("<body>") :] + (templates / "draw.html").read_text(encoding="utf-8")
    html = re.sub(r"\{%.*?%\}|\{\{.*?\}\}|\{#.*?#\}", " ", body, flags=re.DOTALL)
    assert set(re.findall(r"[A-Za-z가-힣]{2,}", re.sub(r"<[^>]*>", " ", html))) <= {"한국어", "English", "Softmax"}


@pytest.mark.parametrize(
    ("environment", "name"),
    [
        ({"LANG": "ko_KR.UTF-8"}, "ko"),
        ({"LANG": "ko"}, "ko"),
        ({"LANG": "en_US.UTF-8", "LC_ALL": "ko_KR.UTF-8"}, "ko"),
        ({"LANG": "ko_KR.UTF-8", "LC_MESSAGES": "en_US.UTF-8"}, "en"),
        ({"LANG": "C.UTF-8"}, "en"),
        ({"LANG": "kok_IN"}, "en"),  # Konkani
        ({"LANG": ""}, "en"),
    ],
)
def test_the_language_is_that_of_the_machine(environment: dict[str, str], name: str) -> None:
    assert language.choose_language(environment) == name


def test_a_message_is_said_in_both_languages() -> None:
    found = plural("{n:,} error", "{n:,} errors", n=1234)
    whole = message(
        "{errors} in {total:,} test images: accuracy {accuracy:.2%}", errors=found, total=10_000, accuracy=0.5
    )
    assert Language("en").say(whole) == "1,234 errors in 10,000 test images: accuracy 50.00%"
    assert Language("ko").say(whole) == "평가 이미지 10,000개 중 오류 1,234개: 정확도 50.00%"
    assert Language("ko").say("x_train") == "x_train"


def test_lines_are_broken_between_words_and_wide_letters_count_twice() -> None:
    text = "신경망은 학습 데이터 60,000개로 배웁니다. 시험은 한 번만 봅니다."
    lines = language.wrap(text, 24)
    assert " ".join(lines) == text
    assert max(map(language.count_columns, lines)) <= 24
    assert all(language.count_columns(f"{line} {after.split()[0]}") > 24 for line, after in itertools.pairwise(lines))
    assert language.pad("정답", 6) == "정답  "
    assert language.pad("정답", 6, right=True) == "  정답"


def test_the_texts_of_the_drawing_page_are_korean() -> None:
    """Its other tests hold that no text is missing; here each is in Korean letters."""
    source = (ROOT / "src" / "mnistry" / "service" / "static" / "text.ko.js").read_text(encoding="utf-8")
    values = re.findall(r'"([^"\n]+)"|`([^`\n]+)`', source[source.index("export default") :])
    assert len(values) > 80
    assert [one or other for one, other in values if not HANGUL.search(one or other)] == ["API"]
