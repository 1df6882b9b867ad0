"""The lists that packaging needs and that nothing else keeps in step with the folders."""

from __future__ import annotations

import importlib
import tomllib
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGE_DIR: dict[str, str] = PROJECT["tool"]["setuptools"]["package-dir"]


def folders_with_python() -> dict[str, Path]:
    """Package name -> folder, for every folder under the roots that holds a Python file."""
    found: dict[str, Path] = {}
    for package, folder in PACKAGE_DIR.items():
        for file in (ROOT / folder).rglob("*.py"):
            inner = file.parent.relative_to(ROOT / folder).parts
            found[".".join([package, *inner])] = file.parent
    return found


def test_every_package_is_listed() -> None:
    """What is missing here would be missing from the wheel, and only from the wheel."""
    assert set(PROJECT["tool"]["setuptools"]["packages"]) == folders_with_python().keys()


def test_every_other_file_of_a_package_is_listed() -> None:
    """The page's template, style and script, and whatever else is no Python."""
    listed: dict[str, list[str]] = PROJECT["tool"]["setuptools"]["package-data"]
    missing = [
        str(file)
        for package, folder in folders_with_python().items()
        for file in folder.iterdir()
        if file.is_file()
        and file.suffix not in (".py", ".pyc")
        and not any(file.match(pattern) for pattern in listed.get(package, []))
    ]
    assert missing == []


def test_every_package_folder_has_an_init() -> None:
    assert [
        str(f) for f in folders_with_python().values() if not (f / "__init__.py").exists()
    ] == []


def test_the_type_checker_sees_the_same_packages() -> None:
    for package, folder in PACKAGE_DIR.items():
        parts = package.split(".")
        link = ROOT / ".typecheck" / ("parts" if len(parts) > 1 else "root") / Path(*parts)
        assert link.is_symlink(), link
        assert link.resolve() == (ROOT / folder).resolve()


def test_compilers_are_pinned_exactly() -> None:
    """The IR between them has no stable form: another version is another compiler."""
    pins = {r.name: r for r in map(Requirement, PROJECT["project"]["dependencies"])}
    for name in ("torch-mlir", "iree-base-compiler", "iree-base-runtime"):
        assert [s.operator for s in pins[name].specifier] == ["=="], name
        assert metadata.version(name) in pins[name].specifier


def test_the_command_exists() -> None:
    module, _, name = PROJECT["project"]["scripts"]["noema"].partition(":")
    assert callable(getattr(importlib.import_module(module), name))


def test_the_licence_is_shipped_whole() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert f"SPDX-License-Identifier: {PROJECT['project']['license']}" in text
    assert "END OF TERMS AND CONDITIONS" in text
    assert "LLVM Exceptions to the Apache 2.0 License" in text
