"""noema itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noema.bench.contenders.contender import Arrays, Setup

if TYPE_CHECKING:
    from noema.runtime.session import Program


class Noema:
    """`noema.compile` for this machine; the compile cache is passed by, so that time is honest."""

    def __init__(self, variant: str) -> None:
        del variant  # there is one; the precision comes with the setup
        self._program: Program | None = None

    def load(self, setup: Setup) -> dict[str, str]:
        import noema

        self._program = noema.compile(
            setup.model,
            precision=setup.precision,
            emulate=setup.emulate,
            threads=setup.threads,
            cache=False,
        )
        return {
            "precision": setup.precision,
            "target": str(self._program.manifest.target),
            "threads": str(self._program.threads),
        }

    def call(self, inputs: Arrays) -> Arrays:
        assert self._program is not None
        return self._program.run(inputs)
