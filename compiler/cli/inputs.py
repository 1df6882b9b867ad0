"""Options that say what a model is run on, and the arrays that they stand for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click
import numpy as np
from numpy.typing import NDArray

from noema.errors import InvalidInput

if TYPE_CHECKING:
    from noema.signature import TensorSpec

Arrays = dict[str, NDArray[np.generic]]


def input_options(extent: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Adds --input, --dim and --seed to a command.

    Args:
        extent: Which extent a symbolic dimension has that none is given for, in words.
    """

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in (
            click.option("--seed", default=0, show_default=True, help="Seed of random inputs."),
            click.option(
                "--dim",
                "dims",
                multiple=True,
                metavar="SYMBOL=N",
                help=f"Extent of a symbolic dimension; where not given, {extent}. Repeatable.",
            ),
            click.option(
                "--input",
                "inputs",
                multiple=True,
                metavar="NAME=FILE.npy|random|zeros",
                help="Values of an input; random where not given. Repeatable.",
            ),
        ):
            command = option(command)
        return command

    return add


@dataclass(frozen=True)
class Wanted:
    """What those options say.

    Attributes:
        sources: Input → file, `random` or `zeros`.
        extents: Symbol → extent.
        seed: Of random inputs.
    """

    sources: Mapping[str, str]
    extents: Mapping[str, int]
    seed: int

    @staticmethod
    def read(inputs: Sequence[str], dims: Sequence[str], seed: int) -> Wanted:
        """Reads the options.

        Raises:
            InvalidOption: One isn't of its form.
        """
        from noema.samples import parse_extent, parse_source

        return Wanted(dict(map(parse_source, inputs)), dict(map(parse_extent, dims)), seed)

    def arrays(self, specs: Sequence[TensorSpec], extents: Mapping[str, int]) -> Arrays:
        """An array per input.

        Args:
            specs: The inputs.
            extents: Symbol → extent; what has none is 1.

        Raises:
            InvalidInput: A file can't be read, or there is no such input.
        """
        from noema.samples import make_inputs

        return make_inputs(specs, self.sources, extents, self.seed, read_array)


def read_array(source: str, spec: TensorSpec) -> NDArray[np.generic]:
    """The array of a `.npy` file, for an input.

    Raises:
        InvalidInput: It can't be read, or holds several.
    """
    try:
        array = np.load(source, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InvalidInput(f"cannot read {source}: {error}") from error
    if not isinstance(array, np.ndarray):
        raise InvalidInput(f"{source} holds several arrays", remedy="save each with numpy.save")
    # numpy writes the types that it doesn't know (bfloat16, …) as raw bytes of their size.
    dtype = spec.dtype.numpy
    return array.view(dtype) if array.dtype.kind == "V" and dtype.kind == "V" else array
