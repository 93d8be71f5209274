"""The documentation site: built strictly, and whole without another host."""

from __future__ import annotations

import html
import json
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

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


def test_every_link_within_the_site_leads_somewhere(site):
    pages = {path: path.read_text(encoding="utf-8") for path in site.rglob("*.html") if path.name != "404.html"}
    names = {path: set(re.findall(r'\s(?:id|name)="([^"]+)"', text)) for path, text in pages.items()}
    lost = []
    for path, text in pages.items():
        for address in set(re.findall(r'(?:href|src)="((?!\w+:|//)[^"]+)"', text)):
            target, _, name = unquote(html.unescape(address)).partition("#")
            place = (path.parent / target).resolve() if target else path
            place = place / "index.html" if place.is_dir() else place
            if not place.is_file() or (name and place in names and name not in names[place]):
                lost.append((path.relative_to(site).as_posix(), address))
    assert lost == []


def test_the_first_page_links_to_itself_in_the_other_language(site):
    assert '<a href="ko/index.html">한국어</a>' in (site / "index.html").read_text(encoding="utf-8")
    assert '<a href="../index.html">English</a>' in (site / "ko" / "index.html").read_text(encoding="utf-8")


def test_the_search_finds_both_languages(site):
    index = json.loads((site / "search" / "search_index.json").read_text(encoding="utf-8"))
    assert {"en", "ko"} <= set(index["config"]["lang"])
    assert any(entry["location"].startswith("ko/") for entry in index["docs"])
    assert any("mnistry.read" in entry["title"] for entry in index["docs"])
