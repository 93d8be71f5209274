from __future__ import annotations

import subprocess
import sys

import pytest

from mnistry.cli.keras_loading import LoadedWhenUsed

PROGRAM = """
import sys
from importlib import metadata
from mnistry.cli.keras_loading import LOADED_WHEN_USED, NOT_FOR_COMMANDS, import_keras
find_all = metadata.distributions
import_keras()
assert metadata.distributions is find_all
assert not {*LOADED_WHEN_USED, *NOT_FOR_COMMANDS} & set(sys.modules)
import jax.experimental.sparse.linalg
from keras.src.backend.jax import nn
from keras.src.saving import saving_lib
print(jax.experimental.sparse.linalg.scipy.sparse.linalg.eigsh.__name__)
print(nn.splash_attention_mask.CausalMask.__name__, nn.splash_attention_kernel.SegmentIds.__name__)
print(saving_lib.h5py.File.__name__)
import h5py, requests, scipy.sparse
print(saving_lib.h5py.File is h5py.File, scipy.sparse.eye_array(2).toarray().tolist())
"""


def test_keras_comes_without_what_commands_do_not_need_and_loads_it_when_it_is_used() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "eigsh", "CausalMask SegmentIds", "File", "True [[1.0, 0.0], [0.0, 1.0]]",
    ]  # fmt: skip


def test_a_module_is_loaded_by_the_first_use_of_its_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    waiting = LoadedWhenUsed("colorsys")
    monkeypatch.setitem(sys.modules, "colorsys", waiting)
    import colorsys

    assert colorsys is waiting
    assert not hasattr(colorsys, "__wrapped__")
    assert sys.modules["colorsys"] is waiting
    assert colorsys.rgb_to_hsv(1, 0, 0) == (0.0, 1.0, 1)
    assert sys.modules["colorsys"] is not waiting
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = colorsys.nothing
