"""Several threads, several sessions: right results, and as many workers as asked for."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from noema.errors import RunFailed
from noema.runtime import Program, load

from .conftest import affine_of


def call_often(program: Program, seed: int, wrong: list[str]) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(60):
        rows = int(rng.integers(0, 700))  # on both sides of where outputs are copied
        x = rng.integers(-9, 9, (rows, 64)).astype(np.float32)
        outputs = program(x=x)
        y = affine_of(x)
        if not (np.array_equal(outputs["y"], y) and np.array_equal(outputs["total"], y.sum(0))):
            wrong.append(f"seed {seed}, {rows} rows")


def run_all(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_many_threads_call_one_program(affine: Path, workers: int) -> None:
    wrong: list[str] = []
    with load(affine, threads=workers) as program:
        run_all([threading.Thread(target=call_often, args=(program, s, wrong)) for s in range(6)])
    assert wrong == []


def test_many_sessions_at_once(affine: Path) -> None:
    """Sessions opened, called and closed side by side, each with its own thread count."""
    wrong: list[str] = []

    def session(seed: int) -> None:
        for round_ in range(3):
            with load(affine, threads=1 + (seed + round_) % 3) as program:
                call_often(program, seed, wrong)

    run_all([threading.Thread(target=session, args=(seed,)) for seed in range(4)])
    assert wrong == []


@pytest.mark.parametrize("workers", [1, 2])
def test_closing_while_others_call(affine: Path, workers: int) -> None:
    """A call ends normally or says that the program is closed; nothing crashes."""
    program = load(affine, threads=workers)
    x = np.ones((500, 64), np.float32)
    refused: list[RunFailed] = []

    def caller() -> None:
        try:
            while True:
                np.testing.assert_array_equal(program(x=x)["y"], affine_of(x))
        except RunFailed as error:
            refused.append(error)

    threads = [threading.Thread(target=caller) for _ in range(3)]
    for thread in threads:
        thread.start()
    program(x=x)
    program.close()
    for thread in threads:
        thread.join()
    assert len(refused) == 3
