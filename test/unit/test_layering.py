"""The architecture as a test: who may import whom, how files are named, how long they get.

`docs/architecture.md` says why. A new module fails here until it has a row in
`MAY_IMPORT`.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = {
    "compiler": "noema",
    "dialects": "noema.dialects",
    "passes": "noema.passes",
    "runtime": "noema.runtime",
}

# What every stage shares; these know no stage.
SHARED = {
    "assumed",
    "dispatches",
    "dtypes",
    "environment",
    "errors",
    "options",
    "parameters",
    "plugins",
    "profile",
    "progress",
    "records",
    "signature",
    "sizes",
    "workload",
}
STAGES = {"frontend", "passes", "lowering", "kernels", "backend", "artifact", "dialects"}
CACHE = {"cache", "cache_index", "digests", "scratch", "versions"}

# First part of a module's name below `noema` -> the first parts that it may import.
MAY_IMPORT: dict[str, set[str]] = {
    **dict.fromkeys(SHARED, SHARED),
    "evaluate": SHARED,
    "samples": SHARED,
    "check": SHARED,
    # compile stages
    "dialects": SHARED,
    "frontend": SHARED | {"dialects", "evaluate"},
    "passes": SHARED | {"dialects", "evaluate"},
    "kernels": {"errors"},
    "lowering": SHARED | {"dialects", "kernels"},
    # reads raised IR, and what machine this is; changes neither
    "analysis": SHARED | {"dialects", "runtime"},
    "backend": SHARED | {"kernels"},
    "artifact": SHARED,
    # what a processor offers to kernels
    "vector_unit": SHARED | {"kernels", "runtime"},
    "pipeline": SHARED | STAGES | {"runtime", "vector_unit", "versions"},
    # `pipeline` up to the choice of kernels
    "kernel_plan": SHARED | {"dialects", "lowering", "passes", "runtime", "vector_unit"},
    # measures the machine: the one other module that joins stages
    "calibration": SHARED | {"analysis", "artifact", "backend", "runtime"},
    # as `pipeline`, for the analysis
    "understanding": SHARED
    | {"analysis", "dialects", "frontend", "kernel_plan", "passes", "vector_unit"},
    # runs a program; knows no compile stage
    "runtime": SHARED | {"artifact"},
    # the compile process, and what keeps its results
    "worker": SHARED | {"scratch"},
    "worker_main": SHARED,
    "versions": SHARED,
    "scratch": SHARED,
    "cache_index": SHARED,
    "digests": SHARED | CACHE,
    "cache": SHARED | CACHE,
    "machine": SHARED | CACHE | {"analysis", "runtime", "worker"},
    # measures a program: joins what runs it, what it is and what the machine is
    "profiling": SHARED | {"api", "artifact", "frontend", "machine", "runtime"},
    # the surface
    "report": SHARED,
    "api": SHARED | CACHE | {"machine", "runtime", "worker"},
    "bench": SHARED | {"api", "check", "frontend", "runtime", "samples"},
    # `noema opt` runs passes and the lowering over IR that a person wrote, and prints kernels.
    "cli": SHARED
    | CACHE
    | {
        *("api", "bench", "check", "dialects", "kernels", "lowering", "machine", "passes"),
        *("profiling", "report", "runtime", "samples"),
    },
    "noema": {"api", "errors", "runtime", "workload"},
}

# Packages of others that only some of ours may import.
RESERVED: dict[str, set[str]] = {
    "torch_mlir": {
        *("dialects", "frontend", "passes", "lowering", "analysis", "pipeline", "understanding"),
        *("cli", "kernel_plan"),
    },
    "iree.compiler": {"backend", "bench"},
    "iree.runtime": {"runtime", "bench"},
    "onnx": {"frontend", "evaluate", "passes", "lowering", "api", "bench", "profiling"},
    "onnxruntime": {"check", "bench"},
    "openvino": {"bench"},
    "click": {"cli"},
    "torch": set(),
}

# What a process that only loads and runs programs must not have imported.
COMPILE_ONLY = [
    "torch_mlir",
    "iree.compiler",
    "onnx",
    "onnxruntime",
    "torch",
    "click",
    *(f"noema.{name}" for name in ("dialects", "frontend", "passes", "lowering", "backend")),
    "noema.pipeline",
]

MAX_LINES = 600
FORBIDDEN_WORDS = {"util", "utils", "helper", "helpers", "common", "manager", "managers", "misc"}


def source_files() -> list[Path]:
    return sorted(f for folder in SOURCES for f in (ROOT / folder).rglob("*.py"))


def module_name(file: Path) -> str:
    folder, *rest = file.relative_to(ROOT).with_suffix("").parts
    return ".".join([SOURCES[folder], *(part for part in rest if part != "__init__")])


def unit_of(module: str) -> str:
    """`noema.passes.raise_` -> `passes`; the package itself is `noema`."""
    return module.split(".")[1] if "." in module else module


def imported_modules(file: Path) -> Iterator[tuple[int, str]]:
    """Every module a file imports, at its top or inside a function, with the line number.

    `from noema import errors` counts as `noema.errors`.
    """
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"), str(file))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def test_every_module_has_a_row() -> None:
    units = {unit_of(module_name(file)) for file in source_files()}
    assert units - MAY_IMPORT.keys() == set(), "say in MAY_IMPORT what these may import"
    assert MAY_IMPORT.keys() - units == set(), "these are gone: remove their rows"


def test_imports_follow_the_table() -> None:
    violations: list[str] = []
    for file in source_files():
        unit = unit_of(module_name(file))
        for line, imported in imported_modules(file):
            if not imported.startswith("noema."):
                continue
            target = unit_of(imported)
            if target != unit and target not in MAY_IMPORT.get(unit, set()):
                violations.append(f"{file.relative_to(ROOT)}:{line}: {unit} imports {target}")
    assert not violations, "\n".join(violations)


def test_reserved_packages_stay_where_they_belong() -> None:
    violations: list[str] = []
    for file in source_files():
        unit = unit_of(module_name(file))
        for line, imported in imported_modules(file):
            for package, allowed in RESERVED.items():
                if f"{imported}.".startswith(f"{package}.") and unit not in allowed:
                    violations.append(f"{file.relative_to(ROOT)}:{line}: {unit} imports {package}")
    assert not violations, "\n".join(violations)


def test_the_table_itself_keeps_stages_apart() -> None:
    for a, b in [("frontend", "passes"), ("passes", "lowering"), ("frontend", "lowering")]:
        assert b not in MAY_IMPORT[a]
        assert a not in MAY_IMPORT[b]
    assert MAY_IMPORT["runtime"].isdisjoint(STAGES - {"artifact"})
    for unit in SHARED:
        assert MAY_IMPORT[unit] <= SHARED


@pytest.mark.parametrize("package", ["runtime", "artifact"])
def test_loading_and_running_import_no_compiler(package: str) -> None:
    """In a fresh process: importing the whole package pulls in nothing that only compiles."""
    modules = sorted(m for m in map(module_name, source_files()) if unit_of(m) == package)
    assert modules
    script = (
        "import importlib, sys, noema\n"
        f"for name in {modules!r}: importlib.import_module(name)\n"
        "noema.load, noema.Program, noema.NoemaError\n"
        f"print(sorted(set({COMPILE_ONLY!r}) & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_importing_noema_loads_nothing() -> None:
    script = "import sys, noema; print(sorted(m for m in sys.modules if m.startswith('noema.')))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_names_say_what_a_file_is() -> None:
    """No utils, helpers, common or manager: neither files nor folders, nor as part of a name."""
    tests = [f for f in (ROOT / "test").rglob("*.py") if "Output" not in f.parts]
    bad = [
        str(file.relative_to(ROOT))
        for file in [*source_files(), *tests]
        for part in file.relative_to(ROOT).with_suffix("").parts
        if set(part.lower().split("_")) & FORBIDDEN_WORDS
    ]
    assert not bad, bad


def test_no_file_grows_too_long() -> None:
    """A file over about 500 lines wants splitting; at 600 it must be."""
    lengths = {
        str(file.relative_to(ROOT)): len(file.read_text(encoding="utf-8").splitlines())
        for file in source_files()
    }
    assert {name: n for name, n in lengths.items() if n > MAX_LINES} == {}


def test_every_module_says_what_it_is_for() -> None:
    missing = [
        str(file.relative_to(ROOT))
        for file in source_files()
        if file.name != "__init__.py"
        and not ast.get_docstring(ast.parse(file.read_text(encoding="utf-8")))
    ]
    assert not missing, missing
