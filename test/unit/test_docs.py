"""`make docs`: every op and every pass has a docstring and a lit test, and lands on its page."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import noema
from noema import api
from noema.machine import this_machine
from noema.passes import registry
from noema.workload import WorkloadProfile
from profiles import convnet, transformer

ROOT = Path(__file__).resolve().parents[2]


def test_every_op_and_pass_is_documented_and_tested(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "docs" / "generate.py", "--output", tmp_path],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    passes = (tmp_path / "passes.md").read_text(encoding="utf-8")
    for name in registry.PASSES:
        assert f"\n## `{name}`\n" in passes
    dialect = (tmp_path / "dialect.md").read_text(encoding="utf-8")
    for test in sorted((ROOT / "test" / "lit" / "dialect").glob("*.mlir")):
        if test.stem != "unknown":
            assert f"\n## `sem.{test.stem}`\n" in dialect, test
    assert "| `InvalidModel` | 3 |" in (tmp_path / "errors.md").read_text(encoding="utf-8")
    for name in (
        *("explain_schema.md", "explain.schema.json"),
        *("profile_schema.md", "profile.schema.json"),
    ):
        made = (tmp_path / name).read_text(encoding="utf-8")
        assert made == (ROOT / "docs" / name).read_text(encoding="utf-8"), "run `make docs`"


def _check(value: Any, rule: dict[str, Any], schema: dict[str, Any], place: str) -> None:
    """What the schema's few keywords say; everything in a profile must be described."""
    while "$ref" in rule:
        rule = schema["$defs"][rule["$ref"].rpartition("/")[2]]
    if "anyOf" in rule:
        inner, null = rule["anyOf"]
        assert null == {"type": "null"}
        if value is not None:
            _check(value, inner, schema, place)
    elif "const" in rule:
        assert value == rule["const"], place
    elif "enum" in rule:
        assert value in rule["enum"], place
    elif rule["type"] == "array":
        assert isinstance(value, list), place
        for i, item in enumerate(value):
            _check(item, rule["items"], schema, f"{place}[{i}]")
    elif rule["type"] == "object":
        assert isinstance(value, dict), place
        properties = rule.get("properties")
        if properties is not None:
            assert value.keys() == properties.keys() == set(rule["required"]), place
        for name, item in value.items():
            inner = rule["additionalProperties"] if properties is None else properties[name]
            _check(item, inner, schema, f"{place}.{name}")
    else:
        kinds = {"string": str, "integer": int, "number": (int, float), "boolean": bool}
        assert isinstance(value, kinds[rule["type"]]), f"{place} is {value!r}"
        assert isinstance(value, bool) == (rule["type"] == "boolean"), place


@pytest.mark.parametrize("made", [transformer(2), convnet(2)])
def test_a_profile_is_as_its_schema_says(made: WorkloadProfile) -> None:
    schema = json.loads((ROOT / "docs" / "explain.schema.json").read_text(encoding="utf-8"))
    record = json.loads(json.dumps(made.to_json()))
    _check(record, schema, schema, "profile")
    record["components"][0]["flops"] = "many"
    with pytest.raises(AssertionError, match="flops is 'many'"):
        _check(record, schema, schema, "profile")


def test_a_real_profile_is_as_its_schema_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOEMA_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(api, "this_machine", lambda **_: this_machine(measure=False))
    schema = json.loads((ROOT / "docs" / "explain.schema.json").read_text(encoding="utf-8"))
    model = ROOT / "examples" / "digits" / "digits_transformer.onnx"
    _check(noema.analyze(model).to_json(), schema, schema, "profile")
