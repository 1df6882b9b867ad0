"""The compile cache: whole entries or none, whatever happens to it, and never a failed compile."""

from __future__ import annotations

import errno
import gc
import hashlib
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from noema import digests
from noema.cache import Cache, CacheWarning, cache_key
from noema.cli.cache import cache_command
from noema.digests import changed_since
from noema.errors import CompileFailed, InvalidModel
from noema.options import CompileOptions, Target

MANY = 1 << 30


def key_of(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache", MANY)


@pytest.fixture
def artifact(tmp_path: Path) -> Callable[[bytes], Path]:
    def write(text: bytes) -> Path:
        path = tmp_path / "artifact"
        path.write_bytes(text)
        return path

    return write


Artifact = Callable[[bytes], Path]


def writing(text: bytes, key: str | None) -> Callable[[Path], str | None]:
    def write(path: Path) -> str | None:
        path.write_bytes(text)
        return key

    return write


def files_under(cache: Cache, folder: str) -> list[Path]:
    return sorted((cache.root / "v1" / folder).iterdir())


# The key


def test_key_depends_on_everything_that_shapes_the_program() -> None:
    host = CompileOptions()
    versions = {"noema": "1"}
    keys = {
        cache_key("m", host, versions, "zen4"),
        cache_key("n", host, versions, "zen4"),
        cache_key("m", host, versions, "skylake"),
        cache_key("m", host, {"noema": "2"}, "zen4"),
        cache_key("m", CompileOptions(shapes={"x": (1, None)}), versions, "zen4"),
        cache_key("m", CompileOptions(shapes={"x": (1, 2)}), versions, "zen4"),
        cache_key("m", CompileOptions(passes="cse"), versions, "zen4"),
        cache_key("m", CompileOptions(Target("vulkan")), versions, "zen4"),
    }
    assert len(keys) == 8
    assert cache_key("m", CompileOptions(), {"noema": "1"}, "zen4") in keys


def test_a_portable_program_has_the_same_key_on_every_cpu() -> None:
    portable = CompileOptions(Target("cpu", "x86-64-v3"))
    assert cache_key("m", portable, {}, "zen4") == cache_key("m", portable, {}, "skylake")


def test_a_key_that_could_be_a_path_is_refused(cache: Cache, artifact: Artifact) -> None:
    for key in ("../../etc/passwd", "", "A" * 64):
        with pytest.raises(ValueError, match="not a cache key"):
            cache.put(key, artifact(b"x"))


# Putting and getting


def test_what_is_put_is_found_and_the_given_file_is_left_alone(
    cache: Cache, artifact: Artifact
) -> None:
    assert cache.get(key_of(1)) is None
    given = artifact(b"program")
    stored = cache.put(key_of(1), given, label="model.onnx cpu")
    given.write_bytes(b"changed later")
    assert cache.get(key_of(1)) == stored
    assert stored.read_bytes() == b"program"
    assert [entry.label for entry in cache.entries()] == ["model.onnx cpu"]
    assert files_under(cache, "tmp") == []


def test_insert_writes_into_the_cache(cache: Cache) -> None:
    stored = cache.insert(writing(b"program", key_of(1)))
    assert cache.get(key_of(1)) == stored
    assert stored.read_bytes() == b"program"


def test_the_first_of_two_writers_of_a_key_wins(cache: Cache) -> None:
    first = cache.insert(writing(b"one", key_of(1)))
    assert cache.insert(writing(b"two", key_of(1))) == first
    assert first.read_bytes() == b"one"
    assert len(files_under(cache, "artifacts")) == 1


def test_an_insert_that_fails_passes_the_error_on_and_leaves_nothing(cache: Cache) -> None:
    def fail(path: Path) -> str:
        path.write_bytes(b"half")
        raise CompileFailed("refused")

    with pytest.raises(CompileFailed, match="refused"):
        cache.insert(fail)
    assert files_under(cache, "tmp") == []
    assert cache.entries() == []


def test_an_insert_without_a_key_is_not_kept(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache", MANY)
    path = cache.insert(writing(b"program", None))
    assert path.read_bytes() == b"program"
    assert cache.entries() == []
    del cache
    gc.collect()
    assert not path.exists()


# The bound


def test_the_longest_unused_goes_first_and_the_bound_holds(
    tmp_path: Path, artifact: Artifact
) -> None:
    cache = Cache(tmp_path / "cache", 3000)
    for number in range(3):
        cache.put(key_of(number), artifact(bytes([number]) * 1000))
    assert cache.get(key_of(0)) is not None  # now 1 is the longest unused
    cache.put(key_of(3), artifact(b"3" * 1000))
    assert {entry.key for entry in cache.entries()} == {key_of(n) for n in (0, 2, 3)}
    assert cache.stats().nbytes == 3000
    assert len(files_under(cache, "artifacts")) == 3


def test_an_open_or_mapped_entry_survives_its_eviction(tmp_path: Path, artifact: Artifact) -> None:
    cache = Cache(tmp_path / "cache", 1000)
    with cache.put(key_of(1), artifact(b"a" * 1000)).open("rb") as file:
        cache.put(key_of(2), artifact(b"b" * 1000))
        assert cache.get(key_of(1)) is None
        assert file.read() == b"a" * 1000


def test_an_artifact_over_the_bound_is_returned_uncached(
    tmp_path: Path, artifact: Artifact
) -> None:
    cache = Cache(tmp_path / "cache", 10)
    given = artifact(b"a" * 11)
    with pytest.warns(CacheWarning, match="more than its bound"):
        assert cache.put(key_of(1), given) == given
    with pytest.warns(CacheWarning, match="more than its bound"):
        path = cache.insert(writing(b"a" * 11, key_of(1)))
    assert path.read_bytes() == b"a" * 11
    assert cache.entries() == []


def test_a_bound_of_zero_turns_it_off_silently(tmp_path: Path, artifact: Artifact) -> None:
    cache = Cache(tmp_path / "cache", 0)
    given = artifact(b"a")
    assert cache.put(key_of(1), given) == given
    assert cache.insert(writing(b"a", key_of(1))).read_bytes() == b"a"
    assert cache.get(key_of(1)) is None
    assert cache.model_digest(given) == Cache(tmp_path / "other", MANY).model_digest(given)
    assert not cache.root.exists()


# Faults


def test_disk_full_in_put_returns_the_result_with_a_warning(
    cache: Cache, artifact: Artifact
) -> None:
    cache.put(key_of(0), artifact(b"0"))
    given = artifact(b"a" * (1 << 20))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, hard))
    try:
        with pytest.warns(CacheWarning, match="File too large"):
            assert cache.put(key_of(1), given) == given
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert cache.get(key_of(1)) is None
    assert cache.get(key_of(0)) is not None
    assert files_under(cache, "tmp") == []


def test_disk_full_while_writing_is_tried_elsewhere(cache: Cache) -> None:
    def write(path: Path) -> str:
        if path.is_relative_to(cache.root):
            path.write_bytes(b"half")
            raise CompileFailed("no space") from OSError(errno.ENOSPC, "No space left on device")
        path.write_bytes(b"whole")
        return key_of(1)

    with pytest.warns(CacheWarning, match="no space"):
        path = cache.insert(write)
    assert path.read_bytes() == b"whole"
    assert cache.entries() == []
    assert files_under(cache, "tmp") == []


@pytest.mark.parametrize("root", ["file/cache", "/proc/no-such-folder/cache"])
def test_a_cache_that_cannot_be_made_only_warns(
    root: str, tmp_path: Path, artifact: Artifact
) -> None:
    (tmp_path / "file").write_bytes(b"")
    cache = Cache(tmp_path / root, MANY)
    given = artifact(b"program")
    assert cache.get(key_of(1)) is None
    with pytest.warns(CacheWarning):
        assert cache.put(key_of(1), given) == given
    with pytest.warns(CacheWarning):
        assert cache.insert(writing(b"program", key_of(1))).read_bytes() == b"program"
    assert cache.model_digest(given)
    assert cache.entries() == []
    assert cache.clear() == (0, 0)


def test_entries_are_found_without_a_usable_index(cache: Cache, artifact: Artifact) -> None:
    stored = cache.put(key_of(1), artifact(b"program"))
    lock = cache.root / "v1" / "index.lock"
    lock.unlink()
    lock.mkdir()  # what a read-only file system does, also for root
    assert cache.get(key_of(1)) == stored
    assert [entry.key for entry in cache.entries()] == [key_of(1)]
    given = artifact(b"other")
    with pytest.warns(CacheWarning):
        assert cache.put(key_of(2), given) == given


def test_a_folder_that_others_may_write_to_is_not_used(cache: Cache, artifact: Artifact) -> None:
    cache.put(key_of(1), artifact(b"program"))
    (cache.root / "v1").chmod(0o777)
    with pytest.warns(CacheWarning, match="anyone may write"):
        assert cache.get(key_of(1)) is None
    with pytest.warns(CacheWarning, match="anyone may write"):
        cache.put(key_of(2), artifact(b"other"))


def test_folders_are_private(cache: Cache, artifact: Artifact) -> None:
    cache.put(key_of(1), artifact(b"program"))
    assert (cache.root / "v1").stat().st_mode & 0o777 == 0o700


def damage_index(file: Path, how: int) -> None:
    """One of 60 ways to damage a file, the same each time."""
    rng = random.Random(how)
    for suffix in ("-wal", "-shm"):
        if how % 2:
            Path(f"{file}{suffix}").unlink(missing_ok=True)
    text = bytearray(file.read_bytes())
    match how % 6:
        case 0:
            text = bytearray(rng.randbytes(len(text)))
        case 1:
            del text[rng.randrange(len(text)) :]
        case 2:
            text[:100] = bytes(100)
        case 3:
            for _ in range(64):
                text[rng.randrange(len(text))] = rng.randrange(256)
        case 4:
            start = rng.randrange(len(text))
            text[start : start + 4096] = rng.randbytes(len(text[start : start + 4096]))
        case _:
            text = bytearray(b"not a database")
    file.write_bytes(text)


@pytest.mark.filterwarnings("ignore::noema.cache.CacheWarning")
def test_a_damaged_index_is_rebuilt(cache: Cache, tmp_path: Path, artifact: Artifact) -> None:
    for number in range(5):
        cache.put(key_of(number), artifact(bytes([number])))
    for how in range(60):
        copy = Cache(tmp_path / f"copy{how}", MANY)
        shutil.copytree(cache.root, copy.root)
        damage_index(copy.root / "v1" / "index.sqlite3", how)
        for number in range(5):
            path = copy.get(key_of(number))
            assert path is not None and path.read_bytes() == bytes([number]), how
        assert len(copy.entries()) == 5, how
        copy.quarantine(key_of(0))
        assert copy.get(key_of(0)) is None, how


def test_an_index_of_another_schema_is_rebuilt(cache: Cache, artifact: Artifact) -> None:
    import sqlite3

    stored = cache.put(key_of(1), artifact(b"program"))
    with sqlite3.connect(cache.root / "v1" / "index.sqlite3") as connection:
        connection.execute("DROP TABLE entry")
        connection.execute("CREATE TABLE entry (other TEXT)")
    assert cache.get(key_of(1)) == stored


def test_a_removed_index_is_rebuilt(cache: Cache, artifact: Artifact) -> None:
    stored = cache.put(key_of(1), artifact(b"program"))
    for file in (cache.root / "v1").glob("index.sqlite3*"):
        file.unlink()
    assert cache.get(key_of(1)) == stored


def test_flipped_bytes_are_found_and_the_entry_is_set_aside(
    cache: Cache, artifact: Artifact
) -> None:
    cache.put(key_of(0), artifact(b"good"))
    stored = cache.put(key_of(1), artifact(b"program"))
    stored.write_bytes(b"pragram")
    with pytest.warns(CacheWarning, match="damaged"):
        intact, damaged = cache.verify()
    assert [entry.key for entry in intact] == [key_of(0)]
    assert [entry.key for entry in damaged] == [key_of(1)]
    assert cache.get(key_of(1)) is None
    assert cache.stats().quarantined == 1
    assert cache.put(key_of(1), artifact(b"program")).read_bytes() == b"program"


def test_a_truncated_entry_is_not_returned(cache: Cache, artifact: Artifact) -> None:
    stored = cache.put(key_of(1), artifact(b"program"))
    stored.write_bytes(b"prog")
    with pytest.warns(CacheWarning, match="damaged"):
        assert cache.get(key_of(1)) is None
    assert cache.get(key_of(1)) is None


def test_a_removed_entry_is_a_miss(cache: Cache, artifact: Artifact) -> None:
    cache.put(key_of(1), artifact(b"program")).unlink()
    assert cache.get(key_of(1)) is None
    assert cache.entries() == []


def test_only_a_few_damaged_entries_are_kept(cache: Cache, artifact: Artifact) -> None:
    for number in range(10):
        cache.put(key_of(number), artifact(bytes([number])))
        with pytest.warns(CacheWarning):
            cache.quarantine(key_of(number))
    assert cache.stats().quarantined == 4


def test_clear_removes_everything(cache: Cache, artifact: Artifact) -> None:
    for number in range(3):
        cache.put(key_of(number), artifact(b"12345"))
    with pytest.warns(CacheWarning):
        cache.quarantine(key_of(0))
    assert cache.clear() == (2, 10)
    assert cache.entries() == []
    assert files_under(cache, "artifacts") == []
    assert cache.stats().quarantined == 0


# Many at once, and killed

WRITER = """
import hashlib, os, sys
from pathlib import Path
from noema.cache import Cache
root, key = sys.argv[1:]
def write(path):
    path.write_bytes(os.urandom(1 << 20))     # each writer's bytes differ
    return key
print("ready", flush=True)
sys.stdin.readline()
path = Cache(Path(root), 1 << 30).insert(write)
print(hashlib.sha256(path.read_bytes()).hexdigest(), flush=True)
"""


def start_writer(root: Path, key: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(root), key],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def tell_to_go(writer: subprocess.Popen[str]) -> None:
    assert writer.stdin is not None and writer.stdout is not None
    assert writer.stdout.readline() == "ready\n"
    writer.stdin.write("\n")
    writer.stdin.flush()


def fork_writer(cache: Cache, key: str, nbytes: int) -> int:
    """A process that writes, sets aside and writes again without an end."""
    pid = os.fork()
    if pid:
        return pid
    try:
        warnings.simplefilter("ignore")
        while True:
            cache.insert(writing(os.urandom(nbytes), key))
            cache.quarantine(key)
    finally:
        os._exit(1)


def assert_whole(cache: Cache) -> None:
    """Every entry's bytes are those its name promises."""
    for path in files_under(cache, "artifacts"):
        _, sha256, nbytes = path.name.removesuffix(".noema").split("-")
        text = path.read_bytes()
        assert hashlib.sha256(text).hexdigest() == sha256
        assert len(text) == int(nbytes)


def test_eight_writers_of_one_key_make_one_valid_entry(cache: Cache) -> None:
    writers = [start_writer(cache.root, key_of(1)) for _ in range(8)]
    for writer in writers:
        tell_to_go(writer)
    outputs = {writer.communicate()[0] for writer in writers}
    assert all(writer.returncode == 0 for writer in writers)
    assert len(outputs) == 1  # all got the same entry
    assert_whole(cache)
    assert len(files_under(cache, "artifacts")) == 1
    assert files_under(cache, "tmp") == []


def test_writers_killed_at_any_moment_leave_whole_entries_only(cache: Cache) -> None:
    rng = random.Random(20)
    seen = 0
    for _ in range(100):
        writer = fork_writer(cache, key_of(1), 1 << 18)
        time.sleep(rng.uniform(0, 0.06))
        os.kill(writer, signal.SIGKILL)
        _, status = os.waitpid(writer, 0)
        assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL  # it had not failed by itself
        if (cache.root / "v1" / "artifacts").is_dir():
            assert_whole(cache)
            path = cache.get(key_of(1))
            seen += path is not None
            assert path is None or path.stat().st_size == 1 << 18
    assert seen > 0  # some did get as far as an entry
    cache.insert(writing(b"program", key_of(2)))  # also tidies
    assert_whole(cache)
    assert files_under(cache, "tmp") == []
    _, damaged = cache.verify()
    assert damaged == []


def test_uncached_results_of_killed_processes_are_tidied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    pid = os.fork()
    if not pid:
        Cache(tmp_path / "cache", 0).insert(writing(b"program", None))
        os._exit(0)  # as if killed: nothing is tidied
    os.waitpid(pid, 0)
    (left,) = tmp_path.glob("noema-*/*/model.noema")
    cache = Cache(tmp_path / "cache", 0)
    path = cache.insert(writing(b"other", None))
    assert path.exists() and not left.exists()


def test_a_living_writer_is_not_tidied_away(cache: Cache, tmp_path: Path) -> None:
    def write(path: Path) -> str:
        path.write_bytes(b"one")
        Cache(cache.root, MANY).insert(writing(b"two", key_of(2)))  # another process tidies
        assert path.exists()
        return key_of(1)

    assert cache.insert(write).read_bytes() == b"one"
    assert len(cache.entries()) == 2


def test_threads_share_one_cache(cache: Cache) -> None:
    failures: list[BaseException] = []

    def work(seed: int) -> None:
        rng = random.Random(seed)
        try:
            for _ in range(20):
                number = rng.randrange(5)
                path = cache.insert(writing(str(number).encode() * 100, key_of(number)))
                assert path.read_bytes() == str(number).encode() * 100
        except BaseException as error:  # noqa: BLE001 (shown by the assertion below)
            failures.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(cache.entries()) == 5


# Digests of models


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that are read for their digest; their age doesn't matter here."""
    names: list[str] = []
    real = hashlib.file_digest

    def record(file: object, algorithm: str) -> object:
        names.append(Path(os.readlink(f"/proc/self/fd/{file.fileno()}")).name)  # type: ignore[attr-defined]
        return real(file, algorithm)  # type: ignore[arg-type]

    monkeypatch.setattr(digests, "_COARSEST_CLOCK_NS", -(10**18))
    monkeypatch.setattr(hashlib, "file_digest", record)
    return names


def test_an_unchanged_file_is_read_once(cache: Cache, tmp_path: Path, reads: list[str]) -> None:
    model, weights = tmp_path / "model.onnx", tmp_path / "weights"
    model.write_bytes(b"model")
    weights.write_bytes(b"weights")
    first = cache.model_digest(model, [weights])
    assert sorted(reads) == ["model.onnx", "weights"]
    assert Cache(cache.root, MANY).model_digest(model, [weights]) == first
    assert len(reads) == 2
    status = weights.stat()
    weights.write_bytes(b"WEIGHTS")  # the same size, and made to look as old
    os.utime(weights, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert cache.model_digest(model, [weights]) != first
    assert reads[2:] == ["weights"]


def test_a_file_that_was_just_written_is_always_read(cache: Cache, tmp_path: Path) -> None:
    model = tmp_path / "model.onnx"
    found: set[str] = set()
    for number in range(50):  # quicker than the clock of the file system ticks
        model.write_bytes(b"%08d" % number)
        found.add(cache.model_digest(model))
    assert len(found) == 50


def test_external_files_are_known_until_the_model_changes(cache: Cache, tmp_path: Path) -> None:
    model, weights = tmp_path / "model.onnx", tmp_path / "weights"
    model.write_bytes(b"model")
    assert cache.external_files(model) is None
    cache.remember_external_files(model, [weights])
    assert cache.external_files(model) == (weights,)
    model.write_bytes(b"other")
    assert cache.external_files(model) is None


def test_which_files_are_refused(cache: Cache, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for name, phrase in (
        ("fifo", "not a regular file"),
        (".", "Is a directory|not a regular file"),
        ("missing", "No such file"),
    ):
        with pytest.raises(InvalidModel, match=phrase):
            cache.model_digest(tmp_path / name)


def test_names_that_are_not_text(cache: Cache, tmp_path: Path) -> None:
    model = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe.onnx"))
    model.write_bytes(b"model")
    cache.remember_external_files(model, [model])
    assert cache.external_files(model) == (model,)


def test_a_file_changed_during_the_compile_is_noticed(tmp_path: Path) -> None:
    model = tmp_path / "model.onnx"
    model.write_bytes(b"model")
    status = model.stat()
    assert not changed_since([model], status.st_ctime_ns + 1)
    assert changed_since([model], status.st_ctime_ns)
    assert changed_since([tmp_path / "missing"], status.st_ctime_ns + 1)


# The command


def run_command(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(cache_command, arguments)
    assert result.exit_code == code, result.output
    return result.output


def test_the_command(tmp_path: Path, artifact: Artifact, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOEMA_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("NOEMA_CACHE_SIZE", "1M")
    assert run_command("path").strip() == str(tmp_path / "cache")
    assert json.loads(run_command("info", "--json"))["entries"] == 0
    stored = Cache.default().put(key_of(1), artifact(b"x" * 2048), label="a\x1b[2J.onnx cpu")
    record = json.loads(run_command("info", "--json"))
    assert (record["entries"], record["bytes"], record["max_bytes"]) == (1, 2048, 1 << 20)
    assert "1 entry, 2 KiB of 1 MiB" in run_command("info")
    listed = run_command("list")
    assert key_of(1)[:12] in listed and "onnx cpu" in listed and "\x1b" not in listed
    assert json.loads(run_command("list", "--json"))["entries"][0]["path"] == str(stored)
    assert "1 entry intact, 0 damaged" in run_command("verify")
    stored.write_bytes(b"y" * 2048)
    with pytest.warns(CacheWarning):
        assert len(json.loads(run_command("verify", "--json", code=8))["damaged"]) == 1
    assert "removed 0 entries" in run_command("clear")


@pytest.mark.parametrize(
    ("text", "size"),
    [("10G", 10 << 30), ("512 MiB", 512 << 20), ("0", 0), ("7", 7), ("", 10 << 30)],
)
def test_the_size_of_the_environment(text: str, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOEMA_CACHE_SIZE", text)
    assert Cache.default().max_bytes == size


def test_a_size_that_is_none_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    from noema.errors import InvalidOption

    monkeypatch.setenv("NOEMA_CACHE_SIZE", "much")
    with pytest.raises(InvalidOption, match="NOEMA_CACHE_SIZE"):
        Cache.default()


def test_what_is_written_is_read_with_its_digest_checked(cache: Cache) -> None:
    assert cache.read(key_of(1)) is None
    cache.write(key_of(1), b'{"a": 1}', label="m.onnx, understood")
    assert cache.read(key_of(1)) == b'{"a": 1}'
    (entry,) = cache.entries()
    assert entry.path.suffix == ".json"
    assert entry.label == "m.onnx, understood"
    entry.path.write_bytes(b'{"a": 2}')  # as long, and as well-formed
    with pytest.warns(CacheWarning, match="damaged"):
        assert cache.read(key_of(1)) is None
    assert cache.entries() == []
    assert cache.stats().quarantined == 1


def test_a_bound_of_zero_writes_nothing(tmp_path: Path) -> None:
    off = Cache(tmp_path / "off", 0)
    off.write(key_of(1), b"{}")
    assert off.read(key_of(1)) is None
    assert not (tmp_path / "off").exists()


def test_an_unchanged_model_is_remembered_without_reading_it(
    cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digests, "_COARSEST_CLOCK_NS", -(10**18))
    model, weights = tmp_path / "m.onnx", tmp_path / "w.bin"
    model.write_bytes(b"x")
    weights.write_bytes(b"x")
    assert cache.remembered(model) is None
    cache.remember_external_files(model, [weights])
    assert cache.remembered(model) is None  # the weights have not been read
    digest = cache.model_digest(model, [weights])
    assert cache.remembered(model) == (digest, (weights,))
    weights.write_bytes(b"yy")
    assert cache.remembered(model) is None
    weights.unlink()
    assert cache.remembered(model) is None
