"""The weight of each import, the public names, and the one way in which modules depend on each other."""

from __future__ import annotations

import ast
import graphlib
import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import mnistry

PACKAGE = Path(mnistry.__file__).parent
PUBLIC = [
    "Dataset",
    "DatasetPredictions",
    "Digit",
    "Evaluation",
    "MnistryError",
    "Predictions",
    "Reading",
    "Recognizer",
    "TrainConfig",
    "Trained",
    "evaluate",
    "export",
    "fit",
    "load",
    "predict",
    "predict_dataset",
    "read",
    "train",
]
VERBS = ["tutorial", "train", "search", "evaluate", "export", "predict", "adapt", "data", "read", "batch", "serve"]
HEAVY = {
    "fsspec", "jax", "keras", "matplotlib", "numpy", "PIL", "pandas", "pyarrow", "ray", "requests", "scipy", "sklearn",
    "tensorflow", "torch",
}  # fmt: skip


def brought_in(statement: str) -> set[str]:
    """The modules that a statement loads in a fresh interpreter."""
    program = f"import sys; before = set(sys.modules); {statement}; print(*(set(sys.modules) - before))"
    return set(
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    )


def packages(modules: set[str]) -> set[str]:
    return {module.split(".")[0] for module in modules}


def test_the_package_brings_in_the_standard_library_only():
    assert packages(brought_in("import mnistry")) - set(sys.stdlib_module_names) == {"mnistry"}


def test_the_package_brings_in_the_lazy_one_of_its_own_modules_and_the_errors():
    found = {module for module in brought_in("import mnistry") if module.startswith("mnistry")}
    assert found == {"mnistry", "mnistry._lazy", "mnistry.errors"}


@pytest.mark.parametrize(
    ("module", "allowed"),
    [
        ("errors", set()),
        ("constants", set()),
        ("runtime.files", set()),
        ("runtime.run_folder", set()),
        ("runtime.callbacks", set()),
        ("runtime.parallel", set()),
        ("reporting.text", {"numpy"}),
        ("models.metadata", set()),
        ("models.onnx_file", {"numpy"}),
        ("models.classifier", {"numpy"}),
        ("models.outputs", {"numpy"}),
        ("ocr.recognizer", {"numpy"}),
        ("ocr.image_io", {"numpy"}),
        ("ocr.pipeline", {"numpy"}),
        ("datasets.download", set()),
        ("datasets.formats.idx", {"numpy"}),
        ("datasets.loading", {"numpy"}),
        ("datasets.text", {"numpy"}),
        ("evaluation.metrics", {"numpy"}),
        ("evaluation.calibration", {"numpy"}),
        ("evaluation.run", {"numpy"}),
        ("evaluation.text", {"numpy"}),
        ("training.adaptation", {"numpy"}),
        ("training.config", set()),
        ("training.recipes", set()),
        ("training.augmentation.glyphs", {"numpy"}),
        ("audit.result", {"numpy"}),
        ("audit.text", {"numpy"}),
        ("audit.label_errors", {"numpy"}),
        ("audit.duplicates", {"numpy"}),
        ("service.server", set()),
        ("service.app", set()),
        ("service.worker", {"numpy"}),
        ("batch.job", {"numpy"}),
        ("batch.storage", set()),
        ("batch.ray_data", set()),
        ("cli.app", set()),
        ("cli.progress", {"numpy"}),
    ],
)
def test_a_light_module_brings_in_nothing_heavy(module, allowed):
    assert packages(brought_in(f"import mnistry.{module}")) & HEAVY <= allowed


def test_the_recogniser_answers_with_numpy_and_the_runtime_only():
    answer = "import mnistry, numpy; mnistry.Recognizer.load().predict_all(numpy.zeros((1000, 28, 28), numpy.uint8))"
    loaded = packages(brought_in(answer))
    assert loaded & HEAVY == {"numpy"}
    assert "onnxruntime" in loaded
    assert not loaded & {"onnx", "ml_dtypes", "rich", "typer", "jinja2"}


def test_the_check_for_heavy_libraries_sees_them():
    assert "numpy" in packages(brought_in("import mnistry.evaluation.metrics"))


def test_keras_comes_on_jax_and_without_tensorflow_or_torch():
    loaded = packages(brought_in("import mnistry.training.trainer"))
    assert {"keras", "jax"} <= loaded
    assert not {"tensorflow", "torch"} & loaded


def test_the_public_names_are_these():
    assert mnistry.__all__ == PUBLIC
    assert dir(mnistry) == sorted([*PUBLIC, "__version__"])


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_name_is_that_of_its_module(name):
    value = getattr(mnistry, name)
    assert value.__name__ == name
    assert value.__module__.startswith("mnistry.")
    assert value is getattr(importlib.import_module(value.__module__), name)


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_name_has_an_example_that_runs(name):  # doctests run with all tests
    assert ">>> " in getattr(mnistry, name).__doc__


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'mnistry' has no attribute 'lod'"):
        _ = mnistry.lod


def name_of(path: Path) -> str:
    """The dotted name of a module below mnistry; a package's door has the package's name."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py"}
DOORS = {name_of(path) for path in PACKAGE.rglob("*/__init__.py")}


def imports_of(path: Path) -> Iterator[str]:
    """The dotted names that a module imports at any time: lazy imports and those for type checkers count too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name} has a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def module_in(dotted: str) -> str | None:
    """The module below mnistry that a dotted name leads to; None for other libraries."""
    words = dotted.split(".")
    if words[0] != "mnistry":
        return None
    for length in range(len(words), 1, -1):
        if ".".join(words[1:length]) in MODULES:
            return ".".join(words[1:length])
    return ""  # the package itself


def dependencies() -> dict[str, set[str]]:
    """For each module the others that it imports; a door's lazy names and its own package's doors are left out."""
    return {
        name: {found for dotted in imports_of(path) if (found := module_in(dotted))} - {name}
        for name, path in MODULES.items()
        if name not in DOORS
    }


def package_of(module: str) -> str:
    return module.split(".")[0]


BASE = {"errors", "constants", "_lazy"}
LOWER = BASE | {"runtime", "reporting"}
ALLOWED = {
    "errors": set(),
    "constants": set(),
    "_lazy": {"errors"},
    "runtime": BASE,
    "reporting": BASE | {"runtime"},
    "models": LOWER,
    "ocr": LOWER | {"models"},
    "datasets": LOWER | {"models", "ocr"},
    "evaluation": LOWER | {"models", "datasets"},
    "training": LOWER | {"models", "datasets", "evaluation"},
    "audit": LOWER | {"models", "datasets", "training"},
    "service": LOWER | {"models", "ocr"},
    "batch": LOWER | {"models", "ocr", "datasets"},
    "tutorial": LOWER | {"models", "datasets", "evaluation", "training"},
    "cli": LOWER | {"models", "ocr", "datasets", "evaluation", "training", "audit", "service", "batch", "tutorial"},
    "__main__": {"cli"},
}


def test_the_package_holds_these_packages_and_modules_only():
    assert {package_of(name) for name in MODULES} == set(ALLOWED)
    assert {path.name for path in PACKAGE.glob("*.py")} == {
        "__init__.py", "__main__.py", "_lazy.py", "constants.py", "errors.py", "tutorial.py",
    }  # fmt: skip


def test_the_walk_over_the_imports_sees_them():
    used = dependencies()
    assert {"datasets.loading", "training.trainer", "training.lesson.report"} <= used["tutorial"]
    assert {"tutorial", "training.run", "cli.progress"} <= used["cli.tutorial"] | used["cli.train"]  # inside functions
    assert "models.metadata" in used["models.classifier"]  # for type checkers only
    assert {"training.augmentation.random_pool", "training.augmentation.strokes"} <= used[
        "training.augmentation.pipeline"
    ]


def test_no_package_imports_what_lies_above_it():
    wrong = [
        f"{name} imports {other}"
        for name, used in dependencies().items()
        for other in sorted(used)
        if package_of(other) not in ALLOWED[package_of(name)] | {package_of(name)}
    ]
    assert wrong == []


def test_a_door_opens_its_own_package_only():
    for door in DOORS:
        used = {found for dotted in imports_of(MODULES[door]) if (found := module_in(dotted))} - {"_lazy"}
        assert {package_of(name) for name in used} <= {package_of(door)}, door


def test_batch_takes_nothing_but_the_formats_of_arrays_from_the_data_sets():
    used = set().union(*(used for name, used in dependencies().items() if package_of(name) == "batch"))
    formats = {f"datasets.formats.{name}" for name in ("idx", "npy", "array_files", "tables")}
    assert {name for name in used if package_of(name) == "datasets"} <= formats


def test_no_module_depends_on_itself_by_a_detour():
    try:
        list(graphlib.TopologicalSorter(dependencies()).static_order())
    except graphlib.CycleError as error:
        pytest.fail(f"circular imports: {' → '.join(error.args[1])}")


def test_no_module_bears_the_name_of_a_public_function_of_its_package():
    for door in DOORS:
        names = set(getattr(importlib.import_module(f"mnistry.{door}"), "__all__", []))
        inside = {name.rpartition(".")[2] for name in MODULES if name.rpartition(".")[0] == door}
        assert not names & inside, door


def reached_from(start: set[str]) -> set[str]:
    """All modules that some modules import, directly or not."""
    known, todo, used = set(), set(start), dependencies()
    while todo:
        known |= todo
        todo = set().union(*(used.get(name, set()) for name in todo)) - known
    return known


def test_what_is_trained_on_knows_nothing_of_what_a_model_is_tested_on():
    known = reached_from({name for name in MODULES if name.startswith("training.augmentation.")})
    assert not {name for name in known if package_of(name) in {"datasets", "evaluation", "ocr"}}


KERAS_FREE = {"classifier", "onnx_file", "metadata", "outputs"}


def test_what_answers_never_imports_keras_or_jax():
    start = {f"models.{name}" for name in KERAS_FREE}
    start |= {name for name in MODULES if package_of(name) in {"ocr", "service", "batch"}}
    libraries = {
        module: packages(set(imports_of(MODULES[module]))) & {"keras", "jax", "onnx"} for module in reached_from(start)
    }
    assert {module: found for module, found in libraries.items() if found} == {}


@pytest.mark.parametrize(
    ("library", "homes"),
    [
        ("keras", {"models.backend"}),
        ("jax", {"models.backend", "models.threefry"}),
        ("onnx", {"models.onnx_export", "models.onnx_head"}),
        ("onnxruntime", {"models.classifier", "models.onnx_head"}),
        ("sklearn", set()),
        ("requests", {"datasets.download"}),
        ("jinja2", {"reporting.html"}),
        ("typer", {"cli.app", "cli.options", "cli.terminal", *(f"cli.{verb}" for verb in VERBS)}),
        ("fastapi", {"service.app"}),
        ("pydantic", {"service.schemas"}),
        ("starlette", {"service.app"}),
        ("uvicorn", {"service.connections", "service.server"}),
        ("prometheus_client", {"service.metrics"}),
        ("segno", {"service.server"}),
        ("markdown_it", {"service.pages"}),
        ("rich", {"cli.progress"}),
        ("fsspec", {"batch.storage"}),
        ("pyarrow", {"batch.output", "batch.plan", "batch.worker", "batch.parquet_source", "datasets.formats.parquet"}),
        ("ray", {"runtime.ray_cluster", "batch.ray_data", "training.tuning.ray_tune"}),
        ("pi_heif", {"ocr.image_io"}),
        ("pebble", {"runtime.parallel"}),
    ],
)
def test_each_library_is_imported_where_it_belongs_only(library, homes):
    users = {name for name, path in MODULES.items() if library in packages(set(imports_of(path)))}
    assert users == homes


def test_the_package_imports_its_own_modules_only():
    assert packages(set(imports_of(PACKAGE / "__init__.py"))) - {"mnistry"} <= set(sys.stdlib_module_names)
