"""HDF5 files that are damaged, or that the library reads for too long."""

from __future__ import annotations

import zipfile

import h5py
import numpy as np
import pytest

from mnistry.errors import ModelError
from mnistry.models import hdf5_check, keras_models


@pytest.fixture
def weights(tmp_path):
    path = tmp_path / "a.weights.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("layers/dense/vars/0", data=np.ones((3, 2), np.float32)).attrs["name"] = "kernel"
    return path


def test_a_whole_file_passes_and_one_that_is_cut_short_does_not(weights):
    hdf5_check.check(weights, "mine")
    with zipfile.ZipFile(weights.with_name("m.keras"), "w") as archive:
        archive.write(weights, "model.weights.h5")
    hdf5_check.check(weights.with_name("m.keras"), "mine")
    weights.write_bytes(weights.read_bytes()[:-600])
    with pytest.raises(ModelError, match=r"^mine is damaged: OSError: .*truncated file"):
        hdf5_check.check(weights, "mine")


def test_a_file_that_is_read_without_end_is_given_up(weights, monkeypatch):
    monkeypatch.setattr(hdf5_check, "SECONDS", 0.01)
    with pytest.raises(ModelError, match=r"^mine is damaged: HDF5 was still reading it after 0\.01 seconds\.$"):
        hdf5_check.check(weights, "mine")


def test_a_keras_file_without_weights_is_told(tmp_path):
    with zipfile.ZipFile(tmp_path / "m.keras", "w") as archive:
        archive.writestr("config.json", "{}")
        archive.writestr("metadata.json", "{}")
    with pytest.raises(ModelError, match=r"m\.keras holds no weights\.$"):
        keras_models.load(tmp_path / "m.keras")
