from __future__ import annotations

from pathlib import Path

import pytest

from conformance.outcome import Outcome, Result, ResultFile
from conformance.report import differences, markdown, percent, reason, reasons


def _result(name: str, outcome: Outcome, detail: str = "", op: str = "Abs") -> Result:
    return Result(name, op, name.endswith("_expanded"), outcome, detail, 0.5)


def _file(*results: Result) -> ResultFile:
    return ResultFile("noema", {"noema": "1"}, 10, {r.name: r for r in results})


def test_reason_forgets_what_differs_between_cases() -> None:
    first = "failed on %3 of tensor<2x3xf32> at [1, 2], 5 of 60 values: 'x'"
    second = "failed on %41 of tensor<?xi1> at [0], 7 of 8 values: 'y'"
    assert reason(first) == reason(second)
    assert reason("Add: bf16") != reason("Mul: bf16")


def test_reasons_by_frequency() -> None:
    bad = [_result(f"t{i}", Outcome.FAILED, f"cannot lower {i}") for i in range(3)]
    rows = reasons([*bad, _result("u", Outcome.FAILED, "other")], Outcome.FAILED)
    assert rows == [("cannot lower …", ["t0", "t1", "t2"]), ("other", ["u"])]


def test_file_survives(tmp_path: Path) -> None:
    file = _file(_result("a", Outcome.PASS), _result("b", Outcome.CRASH, "SIGSEGV"))
    file.write(tmp_path / "r.json")
    assert ResultFile.read(tmp_path / "r.json") == file
    (tmp_path / "r.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ValueError, match="format"):
        ResultFile.read(tmp_path / "r.json")


def test_differences_put_regressions_first() -> None:
    before = _file(
        _result("a", Outcome.UNSUPPORTED), _result("b", Outcome.PASS), _result("c", Outcome.PASS)
    )
    after = _file(
        _result("a", Outcome.PASS), _result("b", Outcome.WRONG), _result("c", Outcome.PASS)
    )
    changes = differences(before, after)
    assert [(c.name, c.is_regression) for c in changes] == [("b", True), ("a", False)]


def test_page_is_the_same_for_the_same_results() -> None:
    slow = Result("a", "Abs", False, Outcome.PASS, "", 9.0)
    quick = Result("a", "Abs", False, Outcome.PASS, "", 0.1)
    assert markdown(_file(slow)) == markdown(_file(quick))


def test_page_counts_plain_and_expanded_apart() -> None:
    page = markdown(
        _file(
            _result("a", Outcome.PASS),
            _result("a_expanded", Outcome.UNSUPPORTED, "Abs: a|b <c>"),
        )
    )
    assert "| plain | 1 | 1 |" in page and "| expanded | 1 |  |  | 1 |" in page
    assert "a\\|b &lt;c>" in page


def test_share_is_never_rounded_up_to_everything() -> None:
    assert percent(1999, 2000) == "99.9 %"
    assert percent(5, 5) == "100.0 %"


def test_page_names_what_is_nearer_with_both_errors() -> None:
    detail = "output y: largest error 1.0e-09, of the stored values 1.9e-07"
    page = markdown(_file(_result("a", Outcome.NEARER, detail), _result("b", Outcome.PASS)))
    assert f"| `a` | {detail} |" in page
    assert "| plain | 2 | 1 | 1 |" in page and "50.0 %" in page
