"""Build the documentation site: gather its pages in one folder, then let MkDocs check and build them.

    python tools/build_site.py [DIR]

The pages are those of docs/ and some from elsewhere; the README is the first one, in both languages. Links are those of
the repository, and are rewritten to where the site has their targets. No network is needed; a warning is an error.
"""

from __future__ import annotations

import os
import posixpath
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
GATHERED = ROOT / "build" / "pages"  # where mkdocs.yml looks for them
PAGES = {
    "README.md": "index.md",
    "README.ko.md": "index.ko.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "src/mnistry/models/weights/MODEL_CARD.md": "model_card.md",
}  # pages from outside docs/, and what the site calls them
AS_THEY_ARE = ("LICENSE", "examples")  # files and folders that pages link to
NOT_HERE = {"package.md"}  # of docs/: the package's page is a short form of the README
LINK = re.compile(r"(\]\()(?!\w+:|#)([^)#\s]+)(#[^)\s]*)?(\))")


def main() -> None:
    """Build the site into the folder that was named, or into site/."""
    target = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "site").resolve()
    gather(GATHERED)
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(target)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, check=False)  # noqa: S603 - our own command
    if done.returncode:
        sys.exit(done.returncode)
    print(target / "index.html")


def gather(folder: Path) -> None:
    """Copy all pages and the files that they link to into a new folder."""
    shutil.rmtree(folder, ignore_errors=True)
    docs = {path.relative_to(ROOT).as_posix(): path.name for path in (ROOT / "docs").iterdir() if path.suffix == ".md"}
    for source, name in (docs | PAGES).items():
        if name not in NOT_HERE:
            _write(folder / name, rewritten(source, name))
    for picture in (path for path in (ROOT / "docs").iterdir() if path.suffix != ".md"):
        shutil.copy(picture, folder)
    for name in AS_THEY_ARE:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name)
        else:
            shutil.copy(ROOT / name, folder)


def rewritten(source: str, page: str) -> str:
    """Read a page of the repository, its links rewritten for the site.

    Args:
        source: its path in the repository.
        page: its path in the site.
    """

    def link(match: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), match[2]))
        moved = posixpath.relpath(_place(target, source), posixpath.dirname(page) or ".")
        return f"{match[1]}{moved}{match[3] or ''}{match[4]}"

    text = LINK.sub(link, (ROOT / source).read_text(encoding="utf-8"))
    stem, is_korean = page.removesuffix(".md").removesuffix(".ko"), page.endswith(".ko.md")
    other, address = (f"{stem}.md", f"../{stem}.html") if is_korean else (f"{stem}.ko.md", f"ko/{stem}.html")
    # The site takes a link to a page for one to that page in the same language, but leaves HTML alone.
    return re.sub(rf"\[([^\]]+)\]\({re.escape(other)}\)", rf'<a href="{address}">\1</a>', text)


def _place(target: str, source: str) -> str:
    """Find the place in the site of a file of the repository."""
    if target in PAGES:
        return PAGES[target]
    if target.startswith("docs/"):
        return target.removeprefix("docs/")
    if target.split("/")[0] in AS_THEY_ARE and (ROOT / target).exists():
        return target
    sys.exit(f"{source} links to {target}, which the site does not have: see tools/build_site.py.")


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
