"""The notebook of a long measurement: what it keeps, and what it measures again."""

from __future__ import annotations

from pathlib import Path

import pytest

from fusion.evidence import Evidence, Notebook, columns, state_of_sources

MEASURED = Evidence(3e-7, {"attention": 2, "norm": 5}, "1234567")


def test_a_measurement_is_resumed(tmp_path: Path) -> None:
    Notebook(tmp_path / "book", "1234567").put("bert legacy", MEASURED)
    resumed = Notebook(tmp_path / "book", "1234567")
    assert "bert legacy" in resumed
    assert resumed.of("bert") == [MEASURED]


def test_what_other_sources_gave_is_measured_again(tmp_path: Path) -> None:
    Notebook(tmp_path / "book", "1234567").put("bert legacy", MEASURED)
    later = Notebook(tmp_path / "book", "89abcde")
    assert "bert legacy" not in later
    assert len(later) == 0
    assert later.of("bert") == []


def test_a_notebook_without_states_counts_for_nothing(tmp_path: Path) -> None:
    (tmp_path / "book").write_text('{"bert legacy": {"error": 1e-07, "runtime": {}}}')
    assert len(Notebook(tmp_path / "book", "1234567")) == 0


@pytest.mark.skipif(
    not (Path(__file__).parents[3] / ".git").exists(), reason="sources that are no checkout"
)
def test_the_state_of_the_sources_starts_with_a_commit() -> None:
    commit = state_of_sources().split()[0]
    assert len(commit) >= 7
    assert int(commit, 16) >= 0


def test_a_row_shows_its_worst_error_and_every_refusal() -> None:
    refused = Evidence(
        "code generation refused the program", {"attention": 0, "norm": 5}, "1234567"
    )
    worse = Evidence(2e-6, {"attention": 0, "norm": 5}, "1234567")
    assert columns([MEASURED, refused, worse]) == [
        "2e-06; code generation refused the program",
        "attention 0…2, norm 5",
    ]
