"""The documentation site: built strictly, and whole without another host."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import mnistry

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, ROOT / "tools" / "build_site.py", folder]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{folder / 'index.html'}\n"
    return folder


def test_every_page_is_in_the_navigation():
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    listed = set(re.findall(r"([\w.]+\.md)$", text, re.MULTILINE))
    pages = {path.name for path in (ROOT / "docs").glob("*.md") if not path.name.endswith(".ko.md")}
    assert pages - {"package.md"} <= listed


def test_no_page_loads_anything_from_another_host(site):
    settings = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    assert settings["theme"]["font"] is False
    for page in site.rglob("*.html"):
        loaded = re.findall(r'<(?:script|img|link|iframe)[^>]+(?:src|href)="([^"]+)"', page.read_text(encoding="utf-8"))
        assert loaded
        assert [address for address in loaded if re.match(r"\w+:|//", address) and "data:" not in address] == []


def test_the_reference_has_every_public_name_with_its_example(site):
    page = (site / "reference.html").read_text(encoding="utf-8")
    for name in mnistry.__all__:
        assert f'id="mnistry.{name}"' in page or f">{name}</" in page, name
    assert page.count("&gt;&gt;&gt; ") >= len(mnistry.__all__)


def test_korean_pages_are_korean_and_the_others_are_there(site):
    assert 'lang="ko"' in (site / "ko" / "index.html").read_text(encoding="utf-8")
    assert "손글씨" in (site / "ko" / "index.html").read_text(encoding="utf-8")
    assert {path.name for path in site.glob("*.html")} - {"404.html", "search.html"} <= {
        path.name for path in (site / "ko").glob("*.html")
    }


def test_the_search_finds_both_languages(site):
    index = json.loads((site / "search" / "search_index.json").read_text(encoding="utf-8"))
    assert {"en", "ko"} <= set(index["config"]["lang"])
    assert any(entry["location"].startswith("ko/") for entry in index["docs"])
    assert any("mnistry.read" in entry["title"] for entry in index["docs"])
