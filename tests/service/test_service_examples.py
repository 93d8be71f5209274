"""The examples that run the service: an image, a compose file and a systemd unit, checked without Docker."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from helpers.running import running, serve
from mnistry import __version__
from mnistry.cli.app import app

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples" / "service"
DOCKERFILE = (EXAMPLES / "Dockerfile").read_text(encoding="utf-8")
UNIT = (EXAMPLES / "mnistry.service").read_text(encoding="utf-8")


def instruction(name: str) -> list[str]:
    """The words of an instruction in exec form."""
    (words,) = re.findall(rf"^\s*{name} (\[.+\])$", DOCKERFILE, re.MULTILINE)
    return json.loads(words)


@pytest.mark.parametrize("path", [EXAMPLES / "Dockerfile", ROOT / "examples" / "cluster" / "Dockerfile"])
def test_the_images_have_no_remarks(path):
    program = Path(sys.executable).parent / "hadolint"
    done = subprocess.run([program, path], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_image_copies_what_there_is_and_runs_without_rights():
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    assert [name for line in copied for name in line.split() if not (ROOT / name).exists()] == []
    assert f"mnistry[serve]=={__version__}" in DOCKERFILE
    (user,) = re.findall(r"^USER (\d+)$", DOCKERFILE, re.MULTILINE)
    assert int(user) > 0
    assert DOCKERFILE.index("USER") < DOCKERFILE.index("ENTRYPOINT")


def test_the_health_check_sees_a_server_that_is_ready_and_one_that_is_not(tmp_path):
    python, option, program = instruction("CMD")
    with running(tmp_path, *serve()) as server:
        command = [sys.executable, option, program.replace(":8000/", f":{server.port}/")]
        assert python == "python"
        assert subprocess.run(command, check=False, capture_output=True).returncode == 0
    assert subprocess.run(command, check=False, capture_output=True).returncode != 0


def test_all_options_exist():
    compose = yaml.safe_load((EXAMPLES / "compose.yaml").read_text(encoding="utf-8"))
    (service,) = compose["services"].values()
    (unit,) = re.findall(r"^ExecStart=(.+)$", UNIT, re.MULTILINE)
    image = [*instruction("ENTRYPOINT"), *service["command"]]
    text = CliRunner().invoke(app, ["serve", "--help"], env={"COLUMNS": "200"}).output
    for program, verb, *words in (image, shlex.split(unit)):
        assert (Path(program).name, verb) == ("mnistry", "serve")
        assert [word for word in words if word.startswith("--") and word not in text] == []


def test_the_compose_file_builds_this_image_with_options_that_compose_knows():
    compose = yaml.safe_load((EXAMPLES / "compose.yaml").read_text(encoding="utf-8"))
    (service,) = compose["services"].values()
    assert service["image"] == f"mnistry:{__version__}"
    assert (
        EXAMPLES / service["build"]["context"] / service["build"]["dockerfile"]
    ).resolve() == EXAMPLES / "Dockerfile"
    assert set(service) <= {
        "build", "cap_drop", "command", "image", "mem_limit", "pids_limit", "ports", "read_only", "restart",
        "security_opt", "stop_grace_period", "tmpfs",
    }  # fmt: skip


def test_systemd_takes_the_unit(tmp_path):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("needs systemd-analyze, which this machine does not have")
    unit = tmp_path / "mnistry.service"
    unit.write_text(UNIT.replace("/opt/mnistry/bin/mnistry", shutil.which("true")), encoding="utf-8")
    done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    unit.write_text(unit.read_text(encoding="utf-8").replace("Restart=on-failure", "Restart=perhaps"))
    done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    assert "perhaps" in done.stderr
