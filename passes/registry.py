"""Every pass by name, and the default pipeline.

Three kinds of name may stand in a pipeline, looked up in this order: noema's own passes
(`PASSES`), passes that an installed package offers under the entry point group `noema.passes`,
and MLIR's. Nothing is imported before it is asked for.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType

from noema.errors import InvalidOption
from noema.passes.base import Pass
from noema.passes.options import did_you_mean, pass_from_spec
from noema.passes.pipeline_spec import NestedSpec, PassSpec, Pipeline, parse_pipeline

PASSES: Mapping[str, str] = MappingProxyType(
    {
        "channels-last": "noema.passes.channels_last:ChannelsLast",
        "classify": "noema.passes.classify:Classify",
        "dce": "noema.passes.dce:DeadCodeElimination",
        "fold-constants": "noema.passes.fold_constants:FoldConstants",
        "fold-into-conv": "noema.passes.fold_into_conv:FoldIntoConv",
        "fuse": "noema.passes.fuse:Fuse",
        "merge-projections": "noema.passes.merge_projections:MergeProjections",
        "heads-in-rows": "noema.passes.heads_in_rows:HeadsInRows",
        "raise": "noema.passes.raise_:Raise",
        "recognize": "noema.passes.recognize:Recognize",
        "simplify": "noema.passes.simplify:Simplify",
        "to-bf16": "noema.passes.to_bf16:ToBf16",
    }
)
"""Our passes: name → module:class."""

DEFAULT_PIPELINE: Sequence[str] = (
    "raise",  # ONNX nodes → named ops
    "fold-constants",  # what the rewrites left computable
    "simplify",  # many spellings → one
    "recognize",  # several ops that are one thing → that thing
    "cse",
    "dce",
    "classify",  # which component each op belongs to, and what for
)
"""What every model goes through, top to bottom: from ONNX nodes to what they are for."""

OPTIMIZATIONS: Mapping[str, Sequence[str]] = MappingProxyType(
    {
        "cpu": (
            "fold-into-conv",
            "heads-in-rows",  # attention reads projections as they are
            "merge-projections",  # queries, keys and values by one product
            "channels-last",  # convolutional parts, end to end
        ),
        "cuda": ("fold-into-conv",),
        "vulkan": ("fold-into-conv",),
    }
)
"""What follows when a model is compiled, by kind of target."""

PRECISIONS: Mapping[str, Sequence[str]] = MappingProxyType({"f32": (), "bf16": ("to-bf16",)})
"""What then gives it a number format."""

LAST: Sequence[str] = (
    "cse",
    "dce",
    "fuse",  # products and what refines them
)
"""What prepares it for the lowering."""

MLIR_PASSES: Mapping[str, str] = MappingProxyType(
    {
        "canonicalize": "Folds and simplifies ops, and removes dead ones.",
        "cse": "Merges ops that compute the same value.",
        "inline": "Inlines function calls.",
        "sccp": "Propagates constants through control flow.",
        "symbol-dce": "Removes private functions and globals that nothing refers to.",
    }
)
"""The MLIR passes that are listed and suggested. Any other that MLIR knows runs too."""

ENTRY_POINT_GROUP = "noema.passes"


def default_pipeline() -> Pipeline:
    """`DEFAULT_PIPELINE`, parsed."""
    return parse_pipeline(",".join(DEFAULT_PIPELINE))


def compile_pipeline(target: str, precision: str = "f32") -> Pipeline:
    """What `noema compile` runs.

    Args:
        target: Kind of target: `cpu`, `vulkan`, `cuda`.
        precision: Number format, a key of `PRECISIONS`.
    """
    names = [*DEFAULT_PIPELINE, *OPTIMIZATIONS[target], *PRECISIONS[precision], *LAST]
    return parse_pipeline(",".join(names))


@dataclass(frozen=True)
class MlirPass:
    """A pass of MLIR, or several nested under an op, as one pipeline item.

    Attributes:
        spec: The item.
    """

    spec: PassSpec | NestedSpec

    @property
    def text(self) -> str:
        """The item in MLIR's own pipeline syntax."""
        return _mlir_text(self.spec)


def plugins() -> dict[str, EntryPoint]:
    """The passes that installed packages offer, not loaded.

    Raises:
        InvalidOption: Two packages offer the same name, or one offers a name that is taken.
    """
    found: dict[str, EntryPoint] = {}
    for entry in entry_points(group=ENTRY_POINT_GROUP):
        if entry.name in PASSES or entry.name in MLIR_PASSES:
            raise InvalidOption(
                f"{_origin(entry)} offers a pass {entry.name!r}, which noema itself has",
                remedy="rename the entry point, or uninstall the package",
            )
        other = found.setdefault(entry.name, entry)
        if other is not entry and other.value != entry.value:
            raise InvalidOption(
                f"two packages offer a pass {entry.name!r}: {_origin(other)} and {_origin(entry)}",
                remedy="uninstall one of them",
            )
    return found


def pass_names() -> tuple[str, ...]:
    """Names of noema's passes, then of installed packages' passes, each sorted."""
    return (*sorted(PASSES), *sorted(plugins()))


def find_pass(name: str) -> type[Pass] | None:
    """The pass class of that name; None if neither noema nor a package has one.

    Raises:
        InvalidOption: A package has one, but it can't be imported or isn't a pass.
    """
    if name in PASSES:
        module, _, attribute = PASSES[name].partition(":")
        return getattr(importlib.import_module(module), attribute)
    if name in MLIR_PASSES:
        return None
    entry = plugins().get(name)
    return None if entry is None else _load(entry)


def passes() -> Iterator[type[Pass]]:
    """All pass classes, noema's and installed packages', in the order of `pass_names`."""
    for name in pass_names():
        found = find_pass(name)
        if found is not None:
            yield found


def resolve(pipeline: Pipeline) -> tuple[Pass | MlirPass, ...]:
    """Makes the passes that a pipeline names; names that only MLIR may know are left to it.

    Raises:
        InvalidOption: An option that the pass doesn't take, a plugin that fails, or one of our
            passes nested under an op.
    """
    return tuple(_resolve(item) for item in pipeline.items)


def unknown_pass(name: str) -> InvalidOption:
    """The error for a name that not even MLIR knows."""
    known = (*pass_names(), *MLIR_PASSES)
    return InvalidOption(f"there is no pass {name!r}", remedy=did_you_mean(name, known))


def _resolve(item: PassSpec | NestedSpec) -> Pass | MlirPass:
    if isinstance(item, NestedSpec):
        _refuse_nested(item.anchor, item.body)
        return MlirPass(item)
    cls = find_pass(item.name)
    return MlirPass(item) if cls is None else pass_from_spec(cls, item)


def _refuse_nested(anchor: str, body: Pipeline) -> None:
    for item in body.items:
        if isinstance(item, NestedSpec):
            _refuse_nested(item.anchor, item.body)
        elif find_pass(item.name) is not None:
            raise InvalidOption(
                f"pass {item.name} works on whole modules and can't be nested in {anchor}(…)",
                remedy=f"write {item} at the top level",
            )


def _origin(entry: EntryPoint) -> str:
    return f"{entry.dist.name if entry.dist else 'an unknown package'} ({entry.value})"


def _load(entry: EntryPoint) -> type[Pass]:
    try:
        cls = entry.load()
    # An import runs someone else's code: anything may come out, and the user must hear whose.
    except Exception as error:
        raise InvalidOption(
            f"pass {entry.name!r} of {_origin(entry)} can't be imported: "
            f"{type(error).__name__}: {error}",
            remedy="fix or uninstall the package",
        ) from error
    if not (isinstance(cls, type) and issubclass(cls, Pass)):
        raise InvalidOption(f"pass {entry.name!r} of {_origin(entry)} is not a noema Pass")
    if cls.name != entry.name:
        raise InvalidOption(
            f"pass {entry.name!r} of {_origin(entry)} calls itself {cls.name!r}",
            remedy="give the class and its entry point one name",
        )
    return cls


def _mlir_text(item: PassSpec | NestedSpec) -> str:
    if isinstance(item, NestedSpec):
        return f"{item.anchor}({','.join(map(_mlir_text, item.body.items))})"
    if not item.options:
        return item.name
    options = " ".join(f"{k}={_mlir_value(v)}" for k, v in item.options)
    return f"{item.name}{{{options}}}"


def _mlir_value(value: str | tuple[str, ...]) -> str:
    if isinstance(value, tuple):
        return ",".join(map(_mlir_value, value))
    return f"{{{value}}}" if any(c in value for c in " ,{}()") else value
