"""What a network of the catalog is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Protocol

import numpy as np
import onnx

from .builder import STYLES, Array, Graph, Style


class GraphBuilder(Protocol):
    """Writes a network into a graph."""

    def __call__(self, g: Graph, config: Any, /) -> None:
        """Writes the network of sizes ``config`` into ``g``."""
        ...


class FeedBuilder(Protocol):
    """Draws the inputs of a network."""

    def __call__(
        self, rng: np.random.Generator, config: Any, dims: Mapping[str, int], /
    ) -> dict[str, Array]:
        """Inputs for the sizes ``config`` and the symbolic dimensions ``dims``."""
        ...


def _no_derived(config: Any, dims: Mapping[str, int]) -> Mapping[str, int]:
    return {}


@dataclass(frozen=True)
class Network:
    """A network that can be built in every exporter style and at any size.

    Attributes:
        name: Name in the catalog.
        family: What kind of network: encoder, decoder, vision, recommender, ...
        config: Default sizes, a frozen dataclass; `build` and `inputs` replace its fields.
        dims: The symbolic dimensions, and the extents that `inputs` and static builds give them.
        graph: Writes the graph.
        feeds: Draws inputs.
        derived: Symbolic dimensions that follow from the sizes and ``dims``.
        smallest: Least extents for which the network is defined, where not 1.
        styles: Exporter styles available.
        real: A network of the size in use in the world; too large for unit tests.
    """

    name: str
    family: str
    config: Any
    dims: Mapping[str, int]
    graph: GraphBuilder
    feeds: FeedBuilder
    derived: Callable[[Any, Mapping[str, int]], Mapping[str, int]] = _no_derived
    smallest: Mapping[str, int] = field(default_factory=dict[str, int])
    styles: tuple[Style, ...] = STYLES
    real: bool = False

    def build(
        self, style: Style, *, seed: int = 0, static: bool = False, **size: Any
    ) -> onnx.ModelProto:
        """Builds the model.

        Args:
            style: Exporter to imitate.
            seed: Seed of the weights; both styles draw the same.
            static: Bake the extents of ``dims`` in, instead of symbolic dimensions.
            **size: Fields of ``config`` to replace, and extents for a static build.

        Raises:
            ValueError: If a size or the style is unknown.
        """
        config, dims = self._sizes(size)
        g = Graph(self.name, style=style, seed=seed, dims=dims if static else None)
        self.graph(g, config)
        return g.build()

    def inputs(self, rng: np.random.Generator, **dims: Any) -> dict[str, Array]:
        """Draws fresh inputs.

        Args:
            rng: Source of the values.
            **dims: Extents other than ``self.dims``, and the sizes that were given to `build`.

        Returns:
            Array by input name. Masks are valid: every row attends to something.

        Raises:
            ValueError: If a dimension is unknown.
        """
        config, extents = self._sizes(dims)
        return self.feeds(rng, config, extents)

    def random_dims(self, rng: np.random.Generator) -> dict[str, int]:
        """Random extents, from the least possible to a little over the default."""
        return {
            name: int(rng.integers(self.smallest.get(name, 1), extent + 4))
            for name, extent in self.dims.items()
        }

    def _sizes(self, size: Mapping[str, Any]) -> tuple[Any, dict[str, int]]:
        known = {entry.name for entry in fields(self.config)}
        unknown = sorted(set(size) - known - set(self.dims))
        if unknown:
            choices = ", ".join(sorted(known | set(self.dims)))
            raise ValueError(f"{self.name} has no size {', '.join(unknown)}; it has {choices}")
        config = replace(self.config, **{k: v for k, v in size.items() if k in known})
        dims = {name: int(size.get(name, extent)) for name, extent in self.dims.items()}
        return config, {**dims, **self.derived(config, dims)}
