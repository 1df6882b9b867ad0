"""Memory lent to IREE: a device is destroyed only after it is back."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

import noema
from noema.runtime import invoker as invoker_module
from noema.runtime.loans import Loans

DIGITS = Path(__file__).resolve().parents[3] / "examples" / "digits" / "digits_cnn.onnx"


def test_what_is_dropped_is_back() -> None:
    loans = Loans()
    held = [loans.lend(np.zeros(4))]
    assert not loans.are_returned(patience=0)
    held.clear()
    assert loans.are_returned(patience=0)


def test_waiting_lets_another_thread_give_back() -> None:
    loans = Loans()
    held = [loans.lend(np.zeros(4))]
    asked = threading.Event()

    def give_back() -> None:
        asked.wait()
        held.clear()  # takes the global lock, which the waiting thread must not keep

    other = threading.Thread(target=give_back)
    other.start()
    asked.set()
    assert loans.are_returned(patience=60)
    other.join()


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("loans") / "digits.noema"
    noema.compile(str(DIGITS)).save(path)
    return path


def test_programs_are_closed_as_soon_as_loaded(
    artifact: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights are read by the device's threads: closing at once once met them giving it back."""
    answers: list[bool] = []
    are_returned = Loans.are_returned

    def noted(self: Loans) -> bool:
        answers.append(are_returned(self))
        return answers[-1]

    monkeypatch.setattr(Loans, "are_returned", noted)
    for _ in range(50):
        noema.load(artifact).close()
    assert answers == [True] * 50


def test_inputs_used_in_place_are_given_back(artifact: Path) -> None:
    program = noema.load(artifact)
    images = np.random.default_rng(0).random((512, 1, 8, 8), dtype=np.float32)
    program(images=images)
    program.close()


def test_a_device_that_still_holds_memory_is_left_alone(
    artifact: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    abandoned: list[object] = []
    monkeypatch.setattr(Loans, "are_returned", lambda _: False)
    monkeypatch.setattr(invoker_module, "_abandon", lambda *things: abandoned.extend(things))
    noema.load(artifact).close()
    assert len(abandoned) == 1
