"""One program on one device: IREE's objects, the buffers, and the call itself.

What decides the code here, all of it observed with IREE 3.13:

* Compiled code loads inputs with aligned vector instructions, so an input must be 64-byte aligned;
  numpy's arrays mostly are not. Those are copied to a staging buffer that is kept for the next
  call, which costs less than a fresh device buffer each time.
* A function that returns its argument returns the caller's own buffer, and one that returns a
  value twice returns one buffer twice. Weights and constants come back as fresh buffers.
* Memory of outputs on the multi-threaded device belongs to a pool of the device: reading it after
  the device is gone crashes. So an output array that wasn't copied keeps the invoker alive.
* Native objects must go before the device they came from. Reference counts alone don't ensure
  that (locals of a frame die in any order), hence the explicit releases.
* The device's threads give Python memory back when they like, and destroying the device waits for
  them with Python's global lock held: see `loans`.
"""

from __future__ import annotations

import ctypes
import os
from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import iree.runtime as iree
import numpy as np
from iree.runtime import HalBufferView, HalElementType, VmVariantList
from numpy.typing import NDArray

from noema.artifact import PARAMETER_SCOPE, Artifact
from noema.dtypes import DType
from noema.errors import ArtifactError, InternalError, RunFailed
from noema.runtime.device import OpenDevice, native_message
from noema.runtime.loans import Loans
from noema.signature import TensorSpec

if TYPE_CHECKING:
    from iree.runtime import HalBuffer, HalDevice, MappedMemory, VmContext, VmFunction

Array = NDArray[np.generic]

ALIGNMENT = 64
ZERO_COPY_BYTES = 64 << 10
"""From this size on, avoiding a copy pays for the bookkeeping (measured: equal at 4–64 KiB)."""

_HOST_MEMORY = int(iree.MemoryType.DEVICE_LOCAL | iree.MemoryType.HOST_VISIBLE)
_HOST_USAGE = int(iree.BufferUsage.DEFAULT | iree.BufferUsage.MAPPING)
_READBACK_MEMORY = int(iree.MemoryType.HOST_LOCAL | iree.MemoryType.DEVICE_VISIBLE)
_READBACK_USAGE = int(iree.BufferUsage.TRANSFER_TARGET | iree.BufferUsage.MAPPING_SCOPED)

_TYPE: Any = HalElementType  # the stubs miss that these are integers
_ELEMENT_TYPES: dict[str, int] = {
    "bool": int(_TYPE.BOOL_8),
    "float16": int(_TYPE.FLOAT_16),
    "float32": int(_TYPE.FLOAT_32),
    "float64": int(_TYPE.FLOAT_64),
    "bfloat16": int(_TYPE.BFLOAT_16),
    "complex64": int(_TYPE.COMPLEX_64),
    "complex128": int(_TYPE.COMPLEX_128),
}
_INTEGERS: dict[int, int] = {
    8: int(_TYPE.INT_8),
    16: int(_TYPE.INT_16),
    32: int(_TYPE.INT_32),
    64: int(_TYPE.INT_64),
}


def element_type(dtype: DType) -> int:
    """IREE's element type of a tensor that crosses a program's boundary (signless integers)."""
    if dtype.is_carried:
        return _INTEGERS[8]
    named = _ELEMENT_TYPES.get(dtype.name)
    return named if named is not None else _INTEGERS[dtype.bits]


class Invoker:
    """A program loaded into IREE. Not thread-safe: one call at a time.

    Args:
        artifact: The verified artifact.
        device: Where to run it; the invoker owns it from now on.

    Raises:
        ArtifactError: The program is not one that this IREE can load.
    """

    def __init__(self, artifact: Artifact, device: OpenDevice) -> None:
        self.process = os.getpid()
        self.device = device
        self._loans = Loans()
        signature = artifact.manifest.signature
        self._hal: HalDevice | None = device.hal
        self._outputs = signature.outputs
        self._element_types = [element_type(spec.dtype) for spec in signature.outputs]
        self._context: VmContext | None
        self._function: VmFunction | None
        self._context, self._function = _load(artifact, device, self._loans)
        self._weights = _address_range(np.frombuffer(artifact.weights, np.uint8))
        argument = _HostArgument if device.shares_memory else _DeviceArgument
        self._arguments = [argument(spec, device.hal, self._loans) for spec in signature.inputs]

    def __del__(self) -> None:
        if os.getpid() != self.process:
            _abandon(self._arguments, self._function, self._context, self._hal)
            return
        # The order matters: buffers, then the program, then the device.
        self._arguments = []
        self._function = None
        self._context = None
        if not self._loans.are_returned():
            _abandon(self._hal)
        self._hal = None

    def invoke(self, arrays: list[Array]) -> dict[str, Array]:
        """Runs the program.

        Args:
            arrays: The inputs in order, of the declared types and shapes.

        Raises:
            RunFailed: IREE reports an error.
        """
        assert self._context is not None
        inputs = VmVariantList(len(arrays))
        outputs = VmVariantList(len(self._outputs))
        try:
            for argument, array in zip(self._arguments, arrays, strict=True):
                inputs.push_ref(argument.bind(array))  # type: ignore[arg-type]
            try:
                with self.device.waiting:
                    self._context.invoke(self._function, inputs, outputs)  # type: ignore[arg-type]
            except (ValueError, RuntimeError, MemoryError) as error:
                raise RunFailed(f"the program failed: {native_message(error)}") from error
            if self.device.shares_memory:
                return self._map_outputs(outputs)
            return {
                spec.name: self._read_back(
                    spec, _output_view(outputs, index, self._element_types[index], spec)
                )
                for index, spec in enumerate(self._outputs)
            }
        finally:
            # An exception's traceback must not keep these beyond the device.
            del inputs, outputs
            for argument in self._arguments:
                argument.unbind()

    def _map_outputs(self, outputs: VmVariantList) -> dict[str, Array]:
        """Output arrays over IREE's own memory where that is safe and worth it, else copies."""
        result: dict[str, Array] = {}
        taken: list[tuple[int, int]] | None = None
        for index, spec in enumerate(self._outputs):
            view = _output_view(outputs, index, self._element_types[index], spec)
            shape = view.shape
            if 0 in shape:
                result[spec.name] = np.zeros(shape, spec.dtype.numpy)
                continue
            mapped = view.map()
            array = _over(mapped, shape, spec)
            if array.nbytes < ZERO_COPY_BYTES:
                result[spec.name] = array.copy()
                continue
            if taken is None:
                taken = [self._weights]
                taken += [argument.address_range for argument in self._arguments]
            start, end = _address_range(array)
            if any(start < other_end and other < end for other, other_end in taken):
                result[spec.name] = array.copy()
            else:
                result[spec.name] = _lend(array, mapped, self)
                taken.append((start, end))
        return result

    def _read_back(self, spec: TensorSpec, view: HalBufferView) -> Array:
        """Copies an output from the device.

        `DeviceArray.to_host` imports a numpy array as the copy's target where the driver says that
        it can; drivers that want page alignment then refuse. A staging buffer always works.
        """
        shape = view.shape
        if 0 in shape:
            return np.zeros(shape, spec.dtype.numpy)
        assert self._hal is not None
        source = view.get_buffer()
        staging = self._hal.allocator.allocate_buffer(
            _READBACK_MEMORY, _READBACK_USAGE, source.byte_length()
        )
        done = self._hal.create_semaphore(0)
        self._hal.queue_copy(
            source,
            staging,
            wait_semaphores=iree.HalFence.create_at(done, 0),
            signal_semaphores=iree.HalFence.create_at(done, 1),
        )
        iree.HalFence.create_at(done, 1).wait()
        return _over(staging.map(), shape, spec).copy()


class _HostArgument:
    """One input on a device that shares the host's memory."""

    def __init__(self, spec: TensorSpec, hal: HalDevice, loans: Loans) -> None:
        self._dtype = spec.dtype.numpy
        self._is_bool = spec.dtype.name == "bool"
        self._element_type = element_type(spec.dtype)
        self._allocator = hal.allocator
        self._loans = loans
        self._staging = np.empty(0, np.uint8)
        self._staging_range = (0, 0)
        self._buffer: HalBuffer | None = None
        self._view: HalBufferView | None = None
        self._target: Array | None = None
        self._bound: tuple[int, int] | None = None

    @property
    def address_range(self) -> tuple[int, int]:
        """First and one-past-last address of the memory that the last call read."""
        return self._bound or self._staging_range

    def unbind(self) -> None:
        """Forgets the caller's array."""
        self._bound = None

    def bind(self, array: Array) -> HalBufferView:
        """The array as a buffer view: in place if it can be, else copied to the staging buffer."""
        if array.nbytes >= ZERO_COPY_BYTES and not self._is_bool and array.dtype.isnative:
            flags = array.flags
            if flags.c_contiguous and flags.writeable:
                bounds = _address_range(array)
                if bounds[0] % ALIGNMENT == 0:
                    self._bound = bounds
                    lent = self._loans.lend(array.reshape(-1).view(np.uint8))
                    buffer = self._allocator.import_host_allocation(lent, _HOST_MEMORY, _HOST_USAGE)
                    return HalBufferView(buffer, array.shape, self._element_type)
        if self._target is None or self._target.shape != array.shape:
            self._stage(array.shape, array.nbytes)
        assert self._target is not None and self._view is not None
        if self._is_bool:
            # IREE reads bit 0; numpy takes any byte but 0 for true.
            np.not_equal(array.view(np.uint8), 0, out=self._target)
        else:
            np.copyto(self._target, array)
        return self._view

    def _stage(self, shape: tuple[int, ...], nbytes: int) -> None:
        """Makes the staging buffer fit."""
        self._view = None
        if self._buffer is None or nbytes > self._staging.nbytes:
            self._buffer = None
            capacity = max(ALIGNMENT, nbytes + -nbytes % ALIGNMENT)
            block = np.empty(capacity + ALIGNMENT, np.uint8)
            start = -_address_range(block)[0] % ALIGNMENT
            self._staging = block[start : start + capacity]
            self._staging_range = _address_range(self._staging)
            lent = self._loans.lend(self._staging.view())
            self._buffer = self._allocator.import_host_allocation(lent, _HOST_MEMORY, _HOST_USAGE)
        self._target = self._staging[:nbytes].view(self._dtype).reshape(shape)
        self._view = HalBufferView(self._buffer, shape, self._element_type)


class _DeviceArgument:
    """One input on a device with memory of its own: copied there on every call."""

    address_range = (0, 0)

    def __init__(self, spec: TensorSpec, hal: HalDevice, loans: Loans) -> None:
        del loans  # it copies
        self._dtype = spec.dtype.numpy
        self._is_bool = spec.dtype.name == "bool"
        self._element_type = element_type(spec.dtype)
        self._hal = hal

    def unbind(self) -> None:
        pass

    def bind(self, array: Array) -> HalBufferView:
        """The array as a buffer view of a device buffer."""
        data = np.ascontiguousarray(array, self._dtype)
        flat = data.reshape(-1).view(np.uint8)
        if self._is_bool:
            flat = (flat != 0).view(np.uint8)
        if not flat.size:
            flat = np.zeros(ALIGNMENT, np.uint8)  # drivers refuse empty buffers
        buffer: Any = self._hal.allocator.allocate_buffer_copy(
            int(iree.MemoryType.DEVICE_LOCAL), int(iree.BufferUsage.DEFAULT), self._hal, flat
        )
        return HalBufferView(buffer, array.shape, self._element_type)


class _Lease:
    """Owner of an output's memory: keeps mapping and device alive, releases them in that order."""

    __slots__ = ("__array_interface__", "_invoker", "_mapped")

    def __init__(self, interface: dict[str, Any], mapped: MappedMemory, invoker: Invoker) -> None:
        self.__array_interface__ = interface
        self._mapped: MappedMemory | None = mapped
        self._invoker: Invoker | None = invoker

    def __del__(self) -> None:
        if self._invoker is not None and os.getpid() != self._invoker.process:
            _abandon(self._mapped, self._invoker)
        self._mapped = None
        self._invoker = None


def _abandon(*objects: object) -> None:
    """Keeps native objects from ever being destroyed.

    Destroying a device joins its threads. A process forked from the owner has none of them, and
    threads that still hold Python memory wait for the lock of the one that destroys: either way it
    would take for ever.
    """
    for thing in objects:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))
    binding: Any = import_module("iree.runtime._binding")
    binding.disable_leak_checker()  # it would report them on standard error


def _over(mapped: MappedMemory, shape: list[int], spec: TensorSpec) -> Array:
    """A read-only array over mapped memory, checked against its length."""
    memory: Any = mapped  # it has the buffer protocol; the stubs don't know
    return np.ndarray(shape, spec.dtype.numpy, memory)


def _lend(array: Array, mapped: MappedMemory, invoker: Invoker) -> Array:
    """The same memory as a writable array whose base is a `_Lease`."""
    start, end = _address_range(array)
    interface = {"data": (start, False), "shape": (end - start,), "typestr": "|u1", "version": 3}
    owner = _Lease(interface, mapped, invoker)
    return np.asarray(owner).view(array.dtype).reshape(array.shape)


def _output_view(
    outputs: VmVariantList, index: int, expected: int, spec: TensorSpec
) -> HalBufferView:
    view = outputs.get_as_object(index, HalBufferView)
    kind: Any = view.element_type
    found = int(kind)
    # The low byte is the width; signless and signed integers are alike.
    if found != expected and (found & 0xFF, found >> 28) != (expected & 0xFF, expected >> 28):
        raise InternalError(f"output {spec.name!r} came as IREE element type {found:#x}")
    if len(view.shape) != len(spec.shape):
        raise InternalError(f"output {spec.name!r} came with shape {view.shape}")
    return view


def _load(artifact: Artifact, device: OpenDevice, loans: Loans) -> tuple[VmContext, VmFunction]:
    manifest = artifact.manifest
    try:
        instance = iree.VmInstance()
        modules = [iree.create_hal_module(instance, device.hal)]
        if manifest.parameters:
            memory = artifact.weights if len(artifact.weights) else bytes(ALIGNMENT)
            handle = iree.FileHandle.wrap_memory(loans.lend(np.frombuffer(memory, np.uint8)))
            index = iree.ParameterIndex()
            index.reserve(len(manifest.parameters))
            for name, place in manifest.parameters.items():
                index.add_from_file_handle(name, handle, place.nbytes, offset=place.offset)
            provider = index.create_provider(scope=PARAMETER_SCOPE)
            modules.append(iree.create_io_parameters_module(instance, provider))
        program = iree.VmModule.wrap_buffer(instance, artifact.program)
        modules.append(program)
        context = iree.VmContext(instance, modules)
        function = program.lookup_function(manifest.function)
    except (ValueError, RuntimeError, KeyError, MemoryError) as error:
        made = manifest.versions.get("iree-base-compiler", "unknown")
        raise ArtifactError(
            f"IREE {version('iree-base-runtime')} cannot load the program "
            f"(made by IREE {made}): {native_message(error)}",
            remedy="compile the model again with this version of noema",
        ) from error
    if function is None:
        raise ArtifactError(f"the program has no function {manifest.function!r}")
    return context, function


def _address_range(array: Array) -> tuple[int, int]:
    start: int = array.__array_interface__["data"][0]
    return start, start + array.nbytes
