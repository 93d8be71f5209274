"""What each import brings in, what the package offers, and that its modules depend on each other one way only."""

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
    "Answers",
    "Dataset",
    "Digit",
    "Evaluation",
    "MnistryError",
    "Reading",
    "Recognizer",
    "TrainConfig",
    "Trained",
    "evaluate",
    "fit",
    "load",
    "predict",
    "train",
]
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


def test_the_package_brings_in_none_of_its_own_modules():
    assert {module for module in brought_in("import mnistry") if module.startswith("mnistry")} == {"mnistry"}


@pytest.mark.parametrize(
    ("module", "allowed"),
    [
        ("errors", set()),
        ("folders", set()),
        ("config", set()),
        ("runs", set()),
        ("cli", set()),
        ("download", set()),
        ("glyphs", {"numpy"}),
        ("idx", {"numpy"}),
        ("form", {"numpy"}),
        ("evaluation", {"numpy"}),
        ("data", {"numpy"}),
        ("console", {"numpy"}),
        ("words", {"numpy"}),
        ("calibration", {"numpy"}),
        ("model_info", set()),
        ("model_file", {"numpy"}),
        ("recognizer", {"numpy"}),
        ("pictures", {"numpy"}),
        ("reading", {"numpy"}),
        ("read_command", {"numpy"}),
        ("exam_run", {"numpy"}),
        ("exam_words", {"numpy"}),
        ("audit", {"numpy"}),
        ("audit_words", {"numpy"}),
        ("confident", {"numpy"}),
        ("duplicates", {"numpy"}),
        ("server", set()),
        ("service", set()),
        ("worker", {"numpy"}),
        ("batch", {"numpy"}),
        ("batch_command", {"numpy"}),
        ("storage", set()),
        ("batch_workers", set()),
    ],
)
def test_a_light_module_brings_in_nothing_heavy(module, allowed):
    assert packages(brought_in(f"import mnistry.{module}")) & HEAVY <= allowed


def test_the_recogniser_answers_with_numpy_and_the_runtime_only():
    answer = "import mnistry, numpy; mnistry.Recognizer.load().answer(numpy.zeros((1000, 28, 28), numpy.uint8))"
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


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'mnistry' has no attribute 'lod'"):
        _ = mnistry.lod


def imports_of(path: Path) -> Iterator[str]:
    """The dotted names that a module imports at any time; not those that only a type checker sees."""
    unseen: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while unseen:
        node = unseen.pop()
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            unseen.extend(node.orelse)
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name} has a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        unseen.extend(ast.iter_child_nodes(node))


MODULES = {path.stem: path for path in PACKAGE.glob("*.py") if path.stem != "__init__"}


def dependencies() -> dict[str, set[str]]:
    """For each module of the package the others that it imports."""
    used = {name: [word.split(".") for word in imports_of(path)] for name, path in MODULES.items()}
    return {
        name: {words[1] for words in imported if words[0] == "mnistry" and len(words) > 1} & set(MODULES)
        for name, imported in used.items()
    }


def test_the_walk_over_the_imports_sees_them():
    assert {"data", "evaluation", "loop", "models", "results", "report", "runs", "words"} <= dependencies()["tutorial"]
    assert {"tutorial", "recipe_run", "console", "words", "data", "errors"} <= dependencies()["cli"]  # inside functions
    assert {"dice", "glyphs", "pen", "spoil", "warp"} <= dependencies()["augment"]
    assert {"augment", "convolution"} <= dependencies()["models"]


def test_no_module_depends_on_itself_by_a_detour():
    try:
        list(graphlib.TopologicalSorter(dependencies()).static_order())
    except graphlib.CycleError as error:
        pytest.fail(f"circular imports: {' → '.join(error.args[1])}")


def test_what_is_trained_on_knows_nothing_of_what_a_model_is_tested_on():
    known, todo = set(), {"augment"}
    while todo:
        known |= todo
        todo = set().union(*(dependencies()[name] for name in todo)) - known
    assert not {"corruptions", "data", "image", "pictures", "evaluation"} & known


def test_nobody_imports_the_command_line():
    assert {name for name, used in dependencies().items() if "cli" in used} == {"__main__"}


@pytest.mark.parametrize("name", ["errors", "folders", "form", "glyphs"])
def test_the_lowest_modules_stand_on_nothing(name):
    assert dependencies()[name] == set()


@pytest.mark.parametrize(
    ("library", "homes"),
    [
        ("keras", {"backend"}),
        ("jax", {"backend", "random_bits"}),
        ("matplotlib", {"figures", "report"}),
        ("onnx", {"export"}),
        ("onnxruntime", {"recognizer"}),
        ("sklearn", {"embedded"}),
        ("requests", {"download"}),
        ("jinja2", {"pages"}),
        ("typer", {"cli", "options", "picture_verbs"}),
        ("fastapi", {"service"}),
        ("pydantic", {"service_words"}),
        ("starlette", {"service"}),
        ("uvicorn", {"connections", "server"}),
        ("rich", {"console"}),
        ("fsspec", {"storage"}),
        ("pyarrow", {"batch_output", "batch_plan", "batch_reader", "parquet_rows", "parquet_tables"}),
        ("ray", {"local_ray", "batch_workers", "tuning"}),
        ("pi_heif", {"pictures"}),
    ],
)
def test_each_library_is_imported_where_it_belongs_only(library, homes):
    users = {name for name, path in MODULES.items() if library in packages(set(imports_of(path)))}
    assert users == homes


def test_the_package_imports_nothing_when_it_is_imported():
    assert packages(set(imports_of(PACKAGE / "__init__.py"))) <= set(sys.stdlib_module_names)
