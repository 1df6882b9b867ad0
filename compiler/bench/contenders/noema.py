"""noema itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noema.bench.contenders.contender import Arrays, Setup
from noema.options import Goal

if TYPE_CHECKING:
    from noema.runtime.session import Program


class Noema:
    """`noema.compile` for this machine; the compile cache is passed by, so that time is honest."""

    def __init__(self, variant: str) -> None:
        del variant  # there is one; the precision comes with the setup
        self._program: Program | None = None
        self.requests = 1

    def load(self, setup: Setup) -> dict[str, str]:
        import noema

        self._program = noema.compile(
            setup.model,
            precision=setup.precision,
            emulate=setup.emulate,
            threads=setup.threads,
            optimize_for=setup.goal.value,
            cache=False,
        )
        if setup.goal is Goal.THROUGHPUT:
            self.requests = self._program.threads
        return {
            "precision": setup.precision,
            "target": str(self._program.manifest.target),
            "threads": str(self._program.threads),
            "optimize_for": setup.goal.value,
        }

    def call(self, inputs: Arrays) -> Arrays:
        assert self._program is not None
        return self._program.run(inputs)
