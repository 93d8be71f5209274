"""The examples that start a cluster are what Ray and KubeRay take, and call commands that exist."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import jsonschema
import pytest
import ray
import yaml
from typer.testing import CliRunner

from mnistry.cli.app import app

CLUSTER = Path(__file__).parents[2] / "examples" / "cluster"
SCHEMA = Path(ray.__file__).parent / "autoscaler" / "ray-schema.json"


def load(name: str) -> dict:
    return yaml.safe_load((CLUSTER / name).read_text(encoding="utf-8"))


def test_the_cluster_file_is_what_ray_takes():
    from ray.autoscaler._private import util

    config = load("machines.yaml")
    filled = util.prepare_config(config)
    util.validate_config(filled)
    assert filled["provider"]["head_ip"] == "FIRST-MACHINE"
    assert filled["provider"]["worker_ips"] == ["SECOND-MACHINE", "THIRD-MACHINE"]
    assert filled["file_mounts"] == {"~/mnistry": "."}


def test_the_check_finds_what_is_wrong():
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    config = {name: value for name, value in load("machines.yaml").items() if not name.endswith("_workers")}
    jsonschema.validate(config, schema)
    with pytest.raises(jsonschema.ValidationError, match="Additional properties are not allowed"):
        jsonschema.validate({**config, "setup_comands": []}, schema)


def test_the_manifest_has_what_kuberay_needs():
    job = load("kuberay.yaml")
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", job["metadata"]["name"])
    spec = job["spec"]
    assert set(spec) == {
        "entrypoint",
        "backoffLimit",
        "shutdownAfterJobFinishes",
        "ttlSecondsAfterFinished",
        "rayClusterSpec",
    }
    cluster = spec["rayClusterSpec"]
    assert cluster["rayVersion"] == ray.__version__
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    for group in groups:
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())
        (container,) = group["template"]["spec"]["containers"]
        assert set(container) == {"name", "image", "resources"}
        assert container["image"].count(":") == 1
        assert set(container["resources"]) == {"requests", "limits"}
    for group in cluster["workerGroupSpecs"]:
        assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]
        assert group["groupName"]


def test_the_image_is_the_one_that_is_built_with_that_ray():
    text = (CLUSTER / "Dockerfile").read_text(encoding="utf-8")
    image = load("kuberay.yaml")["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]["containers"][0][
        "image"
    ]
    assert f"--tag {image} " in text
    assert re.search(rf"^FROM rayproject/ray:{re.escape(ray.__version__)}-py311", text, re.MULTILINE)


@pytest.mark.parametrize("name", ["machines.yaml", "kuberay.yaml"])
def test_the_commands_are_ones_that_there_are(name):
    text = (CLUSTER / name).read_text(encoding="utf-8")
    found = re.findall(r"mnistry batch [^'\n]*", text)
    assert found
    help_text = CliRunner().invoke(app, ["batch", "--help"], env={"COLUMNS": "200"}).output
    for command in found:
        for word in shlex.split(command):
            assert not word.startswith("--") or word in help_text
