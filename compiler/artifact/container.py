"""The zip container of an artifact: stored members, 64-byte aligned, in one canonical form.

Any zip tool can list and unpack a `.noema` file. noema itself accepts only the exact bytes that
its own writer would produce for the same members: names and order are fixed, times are constant,
every record has its zip64 form, and alignment padding is zero. The reader renders the headers it
expects and compares, so that no byte outside the members can be changed without notice, and no
field of a header is ever trusted (no path, no offset, no size).

File layout, in order: for each member a local header padded so that the data starts on a multiple
of 64 bytes, then the data; the central directory; the zip64 end records; the end record, whose
comment is `noema artifact v1 sha256:` and the SHA-256 of the last member, the manifest.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

ALIGNMENT = 64
"""Member data, and each weight in it, starts on such a boundary: IREE's widest vector access."""

COMMENT_PREFIX = b"noema artifact v1 sha256:"
_COMMENT_BYTES = len(COMMENT_PREFIX) + 64

_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END64 = struct.Struct("<4sQ2H2I4Q")
_LOCATOR = struct.Struct("<4sIQI")
_END = struct.Struct("<4s4H2IH")
TRAILER_BYTES = _END64.size + _LOCATOR.size + _END.size + _COMMENT_BYTES
"""Length of everything after the central directory."""

_VERSION = 45  # first zip version with zip64
_DATE = 0x0021  # 1980-01-01: a file's bytes depend on its content only
_SATURATED = 0xFFFFFFFF  # "see the zip64 field"
_PADDING_ID = 0xD935  # the extra field that Android's zipalign introduced for this purpose


@dataclass(frozen=True)
class Entry:
    """One stored member.

    Attributes:
        name: File name, plain ASCII.
        nbytes: Length of the data.
        crc32: CRC-32 of the data, for zip tools.
    """

    name: str
    nbytes: int
    crc32: int


@dataclass(frozen=True)
class Placed:
    """A member and where it lies in the file.

    Attributes:
        entry: The member.
        header_offset: Where its local header starts.
        header: The local header, with padding.
    """

    entry: Entry
    header_offset: int
    header: bytes

    @property
    def data_offset(self) -> int:
        return self.header_offset + len(self.header)

    @property
    def end(self) -> int:
        return self.data_offset + self.entry.nbytes


def place(entry: Entry, header_offset: int) -> Placed:
    """Renders a member's local header for a given place in the file."""
    name = entry.name.encode("ascii")
    zip64 = struct.pack("<HHQQ", 1, 16, entry.nbytes, entry.nbytes)
    unpadded = header_offset + _LOCAL.size + len(name) + len(zip64) + 6
    zeros = -unpadded % ALIGNMENT
    extra = zip64 + struct.pack("<HHH", _PADDING_ID, 2 + zeros, ALIGNMENT) + bytes(zeros)
    sizes = (entry.crc32, _SATURATED, _SATURATED, len(name), len(extra))
    header = _LOCAL.pack(b"PK\x03\x04", _VERSION, 0, 0, 0, _DATE, *sizes) + name + extra
    return Placed(entry, header_offset, header)


def place_all(entries: Sequence[Entry]) -> list[Placed]:
    """Lays members out one after the other from the start of the file."""
    placed: list[Placed] = []
    offset = 0
    for entry in entries:
        placed.append(place(entry, offset))
        offset = placed[-1].end
    return placed


def render_end(members: Sequence[Placed], manifest_sha256: str) -> bytes:
    """Renders everything that follows the last member's data."""
    directory = b"".join(_central_record(member) for member in members)
    start = members[-1].end
    count = len(members)
    versions = (_VERSION, _VERSION)
    end64 = _END64.pack(
        b"PK\x06\x06", _END64.size - 12, *versions, 0, 0, count, count, len(directory), start
    )
    locator = _LOCATOR.pack(b"PK\x06\x07", 0, start + len(directory), 1)
    end = _END.pack(b"PK\x05\x06", 0, 0, count, count, len(directory), _SATURATED, _COMMENT_BYTES)
    return directory + end64 + locator + end + COMMENT_PREFIX + manifest_sha256.encode("ascii")


def _central_record(member: Placed) -> bytes:
    entry = member.entry
    name = entry.name.encode("ascii")
    extra = struct.pack("<HHQQQ", 1, 24, entry.nbytes, entry.nbytes, member.header_offset)
    versions = (3 << 8 | _VERSION, _VERSION)  # made on Unix, so that the mode below is read
    record = _CENTRAL.pack(
        b"PK\x01\x02", *versions, 0, 0, 0, _DATE, entry.crc32, _SATURATED, _SATURATED,
        len(name), len(extra), 0, 0, 0, 0o100644 << 16, _SATURATED,
    )  # fmt: skip
    return record + name + extra


@dataclass(frozen=True)
class End:
    """What the end of a file claims; nothing in it is believed before it was rendered again.

    Attributes:
        directory_offset: Where the central directory starts.
        directory_bytes: Its length.
        manifest_sha256: Hex digest from the comment.
    """

    directory_offset: int
    directory_bytes: int
    manifest_sha256: str


def parse_trailer(trailer: bytes, file_bytes: int) -> End:
    """Reads the last `TRAILER_BYTES` bytes of a file.

    Raises:
        ValueError: They are not the end of an artifact; the message says what is wrong.
    """
    if len(trailer) != TRAILER_BYTES or trailer[:4] != b"PK\x06\x06":
        raise ValueError("it does not end as an artifact does")
    if not trailer[-_COMMENT_BYTES:].startswith(COMMENT_PREFIX):
        raise ValueError("it is a zip file but not an artifact of format v1")
    *_, nbytes, offset = _END64.unpack_from(trailer)
    if offset + nbytes + TRAILER_BYTES != file_bytes:
        raise ValueError("its length is not what its end records say")
    digest = trailer[-64:]
    try:
        return End(offset, nbytes, digest.decode("ascii"))
    except UnicodeDecodeError:
        raise ValueError("the digest of its manifest is not readable") from None


def parse_directory(directory: bytes) -> list[Entry]:
    """Reads name, size and CRC of each member from a central directory.

    Only what is needed to render the file again is taken; the rest is checked by rendering.

    Raises:
        ValueError: The records do not have the form that the writer gives them.
    """
    entries: list[Entry] = []
    position = 0
    while position < len(directory):
        try:
            fields = _CENTRAL.unpack_from(directory, position)
            name_bytes, extra_bytes = fields[10], fields[11]
            name_start = position + _CENTRAL.size
            extra_start = name_start + name_bytes
            name = directory[name_start:extra_start].decode("ascii")
            _, _, nbytes, _, _ = struct.unpack_from("<HHQQQ", directory, extra_start)
        except (struct.error, UnicodeDecodeError):
            raise ValueError("its central directory is damaged") from None
        entries.append(Entry(name, nbytes, fields[7]))
        position = extra_start + extra_bytes
    return entries
