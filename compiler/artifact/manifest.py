"""The manifest of an artifact: everything about a program but its code and its weights.

`to_json` writes it; `parse` reads it back from bytes that may be hostile: every field is checked
for type, range and consistency with the members before anything uses it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from noema import dtypes
from noema.artifact.container import ALIGNMENT
from noema.dtypes import DType
from noema.errors import ArtifactError, InvalidOption, printable
from noema.options import Target
from noema.signature import Dim, Signature, TensorSpec

FORMAT_VERSION = 1
MAX_MANIFEST_BYTES = 64 << 20
MAX_RANK = 64
MAX_EXTENT = 2**48
_MAX_NAME = 1 << 16

PROGRAM = "program.vmfb"
WEIGHTS = "weights.bin"
REPORT = "report.json"
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Member:
    """One member of the file, as the manifest vouches for it.

    Attributes:
        nbytes: Length.
        crc32: CRC-32, which the zip headers repeat.
        digest: Tree digest (`noema.artifact.digest`), in hex.
    """

    nbytes: int
    crc32: int
    digest: str


@dataclass(frozen=True)
class StoredParameter:
    """Where one weight lies.

    Attributes:
        dtype: Element type.
        shape: Extents.
        offset: First byte within `weights.bin`, a multiple of 64.
        nbytes: Length; types below 8 bits take a byte per element.
    """

    dtype: DType
    shape: tuple[int, ...]
    offset: int
    nbytes: int


@dataclass(frozen=True)
class Requirements:
    """What the machine must have to run the program.

    Attributes:
        machine: Processor architecture as `platform.machine()` spells it; empty if any will do.
        cpu_features: Processor features by their Linux names, e.g. `avx2`.
    """

    machine: str = ""
    cpu_features: tuple[str, ...] = ()


@dataclass(frozen=True)
class Manifest:
    """What an artifact is.

    Attributes:
        target: Where it was compiled to run.
        signature: Inputs and outputs of the entry point, in the order of the compiled function.
        function: Name of the compiled function.
        requirements: What the machine must have.
        parameters: Weights by name.
        precision: Number format of the computation.
        versions: Tool → version it was made with.
        attributes: Free-form facts, e.g. the model's digest.
        members: Member name → size and digests.
    """

    target: Target
    signature: Signature
    function: str = "main"
    requirements: Requirements = field(default_factory=Requirements)
    parameters: Mapping[str, StoredParameter] = field(default_factory=dict[str, StoredParameter])
    precision: str = "f32"
    versions: Mapping[str, str] = field(default_factory=dict[str, str])
    attributes: Mapping[str, str] = field(default_factory=dict[str, str])
    members: Mapping[str, Member] = field(default_factory=dict[str, Member])

    def to_json(self) -> dict[str, object]:
        """The manifest as a JSON object."""
        return {
            "format": "noema",
            "format_version": FORMAT_VERSION,
            "target": str(self.target),
            "precision": self.precision,
            "requirements": {
                "machine": self.requirements.machine,
                "cpu_features": list(self.requirements.cpu_features),
            },
            "entry": {
                "function": self.function,
                "inputs": [spec.to_json() for spec in self.signature.inputs],
                "outputs": [spec.to_json() for spec in self.signature.outputs],
            },
            "parameters": {
                name: {
                    "member": WEIGHTS,
                    "offset": p.offset,
                    "nbytes": p.nbytes,
                    "dtype": p.dtype.name,
                    "shape": list(p.shape),
                }
                for name, p in self.parameters.items()
            },
            "versions": dict(self.versions),
            "attributes": dict(self.attributes),
            "members": {
                name: {"nbytes": m.nbytes, "crc32": m.crc32, "sha256": m.digest}
                for name, m in self.members.items()
            },
        }


def parse(text: bytes) -> Manifest:
    """Reads a manifest.

    Raises:
        ArtifactError: It is malformed, of another format version, or contradicts itself.
    """
    record = _Record("manifest", parse_json(text, MAX_MANIFEST_BYTES, "manifest"))
    if record.string("format") != "noema":
        raise ArtifactError("not a noema artifact")
    version = record.integer("format_version")
    if version != FORMAT_VERSION:
        raise ArtifactError(
            f"the artifact has format version {version}; this noema reads {FORMAT_VERSION}",
            remedy="compile the model again with this version of noema",
        )
    try:
        target = Target.parse(record.string("target"))
    except InvalidOption as error:
        raise ArtifactError(f"manifest: {error.message}") from None
    entry = record.record("entry")
    needs = record.record("requirements")
    members = {
        name: Member(
            member.integer("nbytes"),
            member.integer("crc32", 2**32 - 1),
            member.string("sha256"),
        )
        for name, member in record.record("members").records()
    }
    weights = members.get(WEIGHTS)
    parameters = {
        name: _parameter(parameter, weights.nbytes if weights else 0)
        for name, parameter in record.record("parameters").records()
    }
    return Manifest(
        target=target,
        signature=Signature(_specs(entry, "inputs"), _specs(entry, "outputs")),
        function=entry.string("function"),
        requirements=Requirements(needs.string("machine"), needs.strings("cpu_features")),
        parameters=parameters,
        precision=record.string("precision"),
        versions=record.record("versions").string_map(),
        attributes=record.record("attributes").string_map(),
        members=members,
    )


def parse_json(text: bytes, limit: int, where: str) -> dict[str, Any]:
    """Reads one JSON object of bounded size from bytes that may be hostile.

    Raises:
        ArtifactError: Too long, nested too deep, not JSON, a repeated key, or not an object.
    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict(pairs)
        if len(result) != len(pairs):
            raise ValueError("a key is repeated")
        return result

    def refuse(constant: str) -> object:
        raise ValueError(f"{constant} is not JSON")

    if len(text) > limit:
        raise ArtifactError(f"{where}: {len(text)} bytes, more than the {limit} allowed")
    try:
        value: object = json.loads(text, object_pairs_hook=unique, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise ArtifactError(f"{where}: not readable as JSON ({type(error).__name__})") from None
    if not isinstance(value, dict):
        raise ArtifactError(f"{where}: expected a JSON object")
    return value  # pyright: ignore[reportUnknownVariableType]


_T = TypeVar("_T")


class _Record:
    """A JSON object with checked access; `where` names it in messages."""

    def __init__(self, where: str, fields: dict[str, Any]) -> None:
        self._where = where
        self._fields = fields

    def _get(self, key: str, kind: type[_T]) -> _T:
        value = self._fields.get(key)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            found = "nothing" if key not in self._fields else type(value).__name__
            raise ArtifactError(f"{self._where}.{key}: expected {kind.__name__}, found {found}")
        return value

    def string(self, key: str) -> str:
        value = self._get(key, str)
        if len(value) > _MAX_NAME:
            raise ArtifactError(f"{self._where}.{key}: longer than {_MAX_NAME} characters")
        return value

    def integer(self, key: str, limit: int = MAX_EXTENT) -> int:
        value = self._get(key, int)
        if not 0 <= value <= limit:
            raise ArtifactError(f"{self._where}.{key}: out of range")
        return value

    def record(self, key: str) -> _Record:
        fields = cast("dict[str, Any]", self._get(key, dict))
        return _Record(f"{self._where}.{key}", fields)

    def _items(self, key: str) -> _Record:
        """A list, as an object whose keys are the positions."""
        values = cast("list[Any]", self._get(key, list))
        return _Record(f"{self._where}.{key}", {str(i): v for i, v in enumerate(values)})

    def records(self) -> list[tuple[str, _Record]]:
        """The fields, each of which must be an object."""
        return [(key, self.record(key)) for key in self._fields]

    def list_of_records(self, key: str) -> list[_Record]:
        return [record for _, record in self._items(key).records()]

    def strings(self, key: str) -> tuple[str, ...]:
        return tuple(self._items(key).string_map().values())

    def string_map(self) -> dict[str, str]:
        return {key: self.string(key) for key in self._fields}

    def dtype(self) -> DType:
        name = self.string("dtype")
        try:
            return dtypes.from_name(name)
        except KeyError:
            raise ArtifactError(
                f"{self._where}.dtype: unknown element type {printable(name)}"
            ) from None

    def dims(self) -> tuple[Dim, ...]:
        extents = self._items("shape")._fields.values()
        if len(extents) > MAX_RANK:
            raise ArtifactError(f"{self._where}.shape: rank {len(extents)} exceeds {MAX_RANK}")
        return tuple(self._dim(extent) for extent in extents)

    def _dim(self, value: object) -> Dim:
        if isinstance(value, str) and 0 < len(value) <= _MAX_NAME:
            return value
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_EXTENT:
            return value
        raise ArtifactError(f"{self._where}.shape: not an extent or a symbol")

    def fail(self, problem: str) -> ArtifactError:
        return ArtifactError(f"{self._where}: {problem}")


def _specs(entry: _Record, key: str) -> tuple[TensorSpec, ...]:
    specs = tuple(
        TensorSpec(record.string("name"), record.dtype(), record.dims())
        for record in entry.list_of_records(key)
    )
    if len({spec.name for spec in specs}) != len(specs):
        raise entry.fail(f"two {key} have the same name")
    return specs


def _parameter(record: _Record, weights_nbytes: int) -> StoredParameter:
    dtype = record.dtype()
    nbytes = dtype.numpy.itemsize
    shape: list[int] = []
    for extent in record.dims():
        if not isinstance(extent, int):
            raise record.fail("a weight has a symbolic extent")
        shape.append(extent)
        nbytes *= extent
    offset = record.integer("offset")
    if record.string("member") != WEIGHTS:
        raise record.fail("is in an unknown member")
    if record.integer("nbytes") != nbytes:
        raise record.fail("its length does not match its shape")
    if offset % ALIGNMENT or offset + nbytes > weights_nbytes:
        raise record.fail("lies outside the weights, or is not aligned")
    return StoredParameter(dtype, tuple(shape), offset, nbytes)
