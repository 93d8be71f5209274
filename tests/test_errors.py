"""Missing libraries are named with the command that installs them."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from mnistry import errors

ROOT = Path(__file__).parent.parent
DISTRIBUTIONS = {
    "markdown_it": "markdown-it-py",
    "prometheus_client": "prometheus-client",
    "sklearn": "scikit-learn",
}  # where it differs from the name that is imported
COME_ALONG = {"fsspec", "markupsafe", "pandas", "pydantic", "starlette"}  # what others bring


def test_the_extras_are_those_of_the_package():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    for extra, libraries in errors.EXTRAS.items():
        listed = {re.match(r"[\w-]+", line).group() for line in extras[extra]}
        known = {DISTRIBUTIONS.get(name, name) for name in libraries}
        assert known - COME_ALONG <= listed, extra
    assert extras["all"] == [f"mnistry[{','.join(errors.EXTRAS)}]"]


def test_every_library_that_is_imported_belongs_to_reading_or_to_an_extra():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    reading = {re.match(r"[\w-]+", line).group().replace("-", "_") for line in project["dependencies"]}
    known = reading | {"PIL", "urllib3"} | {name for libraries in errors.EXTRAS.values() for name in libraries}
    files = (ROOT / "src").rglob("*.py")
    trees = (ast.parse(path.read_text(encoding="utf-8")) for path in files)
    nodes = [node for tree in trees for node in ast.walk(tree)]
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module]
    used = {name.partition(".")[0] for name in names} - sys.stdlib_module_names - {"mnistry"}
    assert used <= known, used - known


def test_a_library_of_no_extra_has_no_command():
    assert errors.missing_extra("mnistry.read", "numpy") is None
    assert errors.missing_extra("mnistry.read", None) is None
    with pytest.raises(ModuleNotFoundError, match="No module named 'no_such_library'"):
        errors.require("mnistry.read", "no_such_library")


def test_what_is_installed_is_not_required_again():
    errors.require("mnistry.read", "numpy", "PIL")


def test_a_function_whose_extra_is_missing_says_the_command():
    program = "import sys; sys.modules['keras'] = None; import mnistry; mnistry.fit"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1] == (
        "mnistry.errors.MissingExtraError: mnistry.fit needs keras, which is not installed. "
        "Install it with: pip install 'mnistry[train]'"
    )


def test_an_extra_that_is_missing_can_be_caught_both_ways():
    error = errors.missing_extra("mnistry serve", "fastapi")
    assert isinstance(error, ImportError)
    assert isinstance(error, errors.MnistryError)
    assert error.exit_status == 1
