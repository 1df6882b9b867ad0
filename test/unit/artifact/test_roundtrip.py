"""What is written is what is read, in the layout that the format promises."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from noema import artifact, dtypes
from noema.artifact.digest import CHUNK_BYTES, Region, TreeHasher, digest_regions
from noema.errors import ArtifactError
from noema.options import Target
from noema.parameters import ParameterStore
from noema.signature import Signature

EMPTY = Signature((), ())
CPU = Target("cpu", "host")


def test_content_survives(path: Path, store: ParameterStore, signature: Signature) -> None:
    opened = artifact.open_artifact(path)
    assert bytes(opened.program) == bytes(range(256)) * 5
    assert opened.report() == {"passes": [{"name": "raise", "seconds": 0.25}]}
    manifest = opened.manifest
    assert manifest.signature == signature
    assert manifest.target == Target("cpu", "x86-64-v3")
    assert manifest.requirements == artifact.Requirements("x86_64", ("avx2", "fma"))
    assert (manifest.versions, manifest.attributes) == ({"noema": "0.1.0"}, {"model": "m.onnx"})
    assert list(manifest.parameters) == list(store)
    for name in store:
        expected = store[name].values()
        found = opened.parameter(name)
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)


def test_weights_can_be_mapped_and_vector_loaded(path: Path) -> None:
    opened = artifact.open_artifact(path)
    addresses = [
        opened.parameter(name).__array_interface__["data"][0]
        for name, place in opened.manifest.parameters.items()
        if place.nbytes
    ]
    assert all(address % 64 == 0 for address in addresses)
    with pytest.raises(ValueError, match="read-only"):
        opened.parameter("dense.weight")[0, 0] = 1


def test_any_zip_tool_reads_it(path: Path) -> None:
    with zipfile.ZipFile(path) as file:
        assert file.testzip() is None
        names = [info.filename for info in file.infolist()]
        assert names == ["weights.bin", "program.vmfb", "report.json", "manifest.json"]
        assert all(info.compress_type == zipfile.ZIP_STORED for info in file.infolist())
        assert file.read("program.vmfb") == bytes(range(256)) * 5


def test_same_content_gives_same_bytes(
    path: Path, tmp_path: Path, store: ParameterStore, signature: Signature
) -> None:
    opened = artifact.open_artifact(path)
    again = tmp_path / "again.noema"
    artifact.write(
        again,
        program=bytes(opened.program),
        signature=signature,
        target=opened.manifest.target,
        parameters=store,
        requirements=opened.manifest.requirements,
        versions=opened.manifest.versions,
        attributes=opened.manifest.attributes,
        report=opened.report(),
    )
    assert again.read_bytes() == path.read_bytes()


def test_program_may_be_a_file_and_there_may_be_no_weights(tmp_path: Path) -> None:
    program = tmp_path / "p.vmfb"
    program.write_bytes(b"code")
    artifact.write(tmp_path / "a.noema", program=program, signature=EMPTY, target=CPU)
    with artifact.open_artifact(tmp_path / "a.noema") as opened:
        assert bytes(opened.program) == b"code"
        assert len(opened.weights) == 0
        assert opened.report() == {}


def test_mapped_weights_larger_than_a_chunk(tmp_path: Path) -> None:
    values = np.random.default_rng(1).integers(0, 256, CHUNK_BYTES * 2 + 77, np.uint8)
    values.tofile(tmp_path / "raw")
    store = ParameterStore()
    offset = 5  # not aligned: the artifact aligns it
    store.map("w", dtypes.from_name("uint8"), (len(values) - 5,), tmp_path / "raw", offset)
    artifact.write(
        tmp_path / "a.noema", program=b"p", signature=EMPTY, target=CPU, parameters=store
    )
    found = artifact.open_artifact(tmp_path / "a.noema").parameter("w")
    np.testing.assert_array_equal(found, values[5:])


@pytest.mark.parametrize("length", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1])
def test_digest_of_a_stream_equals_digest_of_the_file(tmp_path: Path, length: int) -> None:
    data = np.random.default_rng(length).integers(0, 256, length, np.uint8).tobytes()
    (tmp_path / "f").write_bytes(b"??" + data)
    hasher = TreeHasher()
    for start in range(0, length, 1_000_003):
        hasher.update(data[start : start + 1_000_003])
    kept = bytearray(length)
    with (tmp_path / "f").open("rb") as file:
        digests = digest_regions(
            file.fileno(), [Region(2, length), Region(2, length, memoryview(kept))]
        )
    assert digests == [hasher.hexdigest()] * 2
    assert kept == data


def test_a_mapped_artifact_outlives_its_replacement(path: Path, tmp_path: Path) -> None:
    opened = artifact.open_artifact(path)
    weight = opened.parameter("dense.weight")
    expected = weight.copy()
    artifact.write(path, program=b"other", signature=EMPTY, target=CPU)
    opened.close()
    np.testing.assert_array_equal(weight, expected)
    assert list(tmp_path.iterdir()) == [path]


def test_failed_write_leaves_the_old_file(path: Path, tmp_path: Path) -> None:
    """Past the file size limit, as on a full disk, the old artifact stays and nothing else does."""
    before = path.read_bytes()
    script = f"""
import resource, signal
from noema import artifact
from noema.options import Target
from noema.signature import Signature
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    artifact.write({str(path)!r}, program=bytes(1 << 20), signature=Signature((), ()),
                   target=Target("cpu", "host"))
except OSError as error:
    print("refused:", error.strerror)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "refused: File too large\n"
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_killed_writer_leaves_old_or_new(tmp_path: Path) -> None:
    """A writer killed at random moments never leaves a torn file under the final name."""
    path = tmp_path / "a.noema"
    script = f"""
from noema import artifact
from noema.options import Target
from noema.signature import Signature
print("ready", flush=True)
number = 0
while True:
    number += 1
    artifact.write({str(path)!r}, program=bytes([number % 251]) * 3_000_000,
                   signature=Signature((), ()), target=Target("cpu", "host"))
"""
    rng = np.random.default_rng(7)
    for _ in range(5):
        writer = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
        assert writer.stdout is not None
        writer.stdout.readline()
        try:
            writer.wait(float(rng.uniform(0.02, 0.2)))
        except subprocess.TimeoutExpired:
            writer.kill()
        writer.wait()
        writer.stdout.close()
        if path.exists():
            opened = artifact.open_artifact(path)
            assert len(set(bytes(opened.program))) == 1


def test_mode_is_that_of_a_new_file(path: Path, tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(b"")
    assert os.stat(path).st_mode == os.stat(tmp_path / "plain").st_mode


def test_what_is_not_a_file_is_refused(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    (tmp_path / "empty").touch()
    with zipfile.ZipFile(tmp_path / "zip", "w") as file:
        file.writestr("../../evil", "x")
    (tmp_path / "onnx").write_bytes(b"\x08\x0a" * 500)
    bad = [fifo, tmp_path, tmp_path / "empty", tmp_path / "zip", tmp_path / "onnx", tmp_path / "no"]
    for candidate in [*bad, Path("/dev/zero"), "a\x00b"]:
        with pytest.raises(ArtifactError):
            artifact.open_artifact(candidate)
