"""The library's log: silent by default, and a warning where data are not what was asked for."""

from __future__ import annotations

import logging
import subprocess
import sys

import mnistry

FALLS_BACK = "import mnistry; print(mnistry.load().name)"


def test_the_library_is_silent_by_default():
    done = subprocess.run([sys.executable, "-c", FALLS_BACK], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("digits\n", "")


def test_a_program_that_wants_to_hear_is_told_of_the_fallback():
    program = "import logging; logging.basicConfig(); " + FALLS_BACK
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr.startswith("WARNING:mnistry.datasets.loading:this is not MNIST but the UCI digits: ")


def test_epochs_are_logged(caplog):
    with caplog.at_level(logging.INFO, logger="mnistry"):
        mnistry.train(mnistry.TrainConfig(dataset="digits", epochs=2))
    messages = [record.getMessage() for record in caplog.records if record.name == "mnistry.training.trainer"]
    assert [message.partition(":")[0] for message in messages] == ["epoch 1 of 2", "epoch 2 of 2"]
