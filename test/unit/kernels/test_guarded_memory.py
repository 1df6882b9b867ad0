"""What ends a process that reads too far does end it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from guarded_memory import ALIGNMENT, GuardedMemory

TEST = Path(__file__).resolve().parents[2]
TOUCH = """
import ctypes, sys
import numpy as np
from guarded_memory import GuardedMemory
memory = GuardedMemory((32,), np.dtype(np.float32))
ctypes.c_char.from_address(memory.array.ctypes.data + int(sys.argv[1])).value
"""


@pytest.mark.parametrize(("offset", "is_inside"), [(0, True), (127, True), (128, False)])
def test_the_first_byte_beyond_an_array_is_out_of_reach(offset: int, is_inside: bool) -> None:
    run = subprocess.run(
        [sys.executable, "-c", TOUCH, str(offset)], env={"PYTHONPATH": str(TEST)}, check=False
    )
    assert run.returncode == (0 if is_inside else -11)


def test_arrays_begin_on_cache_lines_and_can_be_written() -> None:
    for size in (1, 3, 16, 1000, 5000):
        array = GuardedMemory((size, 3), np.dtype(np.float32)).array
        array[...] = size
        assert array.ctypes.data % ALIGNMENT == 0 and (array == size).all()
