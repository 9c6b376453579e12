"""The format of an entry: a header that says what it is and of what, then the payload as plain bytes, both with checksums.

A stem is thus written once, where it stays, and read by range without being unpacked; nothing in it can be anything but numbers.
All is little-endian:

    8 bytes  `MAGIC`
    4        length of the description
    8        length of the payload
    4        CRC-32 of the payload
    4        CRC-32 of all of the header but this field
             the description: JSON, with `kind`, `key` (a list of words) and the kind's own facts
             the payload

CRC-32 sees every damage of up to 32 bits in a row and misses one other in four thousand million. It reads 4 GB a second where a
cryptographic digest reads 1; nobody is kept from forging entries in their own folder.
"""

import hashlib
import json
import os
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from io import FileIO

from bridge.session.ports import CacheKey

MAGIC = b"stembr\x00\x01"
"""The last byte is the format's version: an entry in another one counts as damaged."""

_PREFIX = struct.Struct("<8sIQI")
_CHECKSUM = struct.Struct("<I")

_BLOCK_BYTES = 1 << 20

_LONGEST_DESCRIPTION = 1 << 20


class DamagedError(Exception):
    """A file is not the entry that it should be."""


class Kind(StrEnum):
    """What an entry holds; also how its file's name ends."""

    STEM = "stem"
    NOTES = "notes"
    KEY = "key"
    BEATS = "beats"


def entry_name(kind: Kind, key: CacheKey) -> str:
    """Return the name of an entry's file: a digest of kind and key, so that equal keys meet."""
    digest = hashlib.blake2b(digest_size=20)
    for word in (kind, *key):
        # The length first: ("ab", "c") and ("a", "bc") are not the same key. File names may hold lone surrogates.
        encoded = word.encode("utf-8", "surrogatepass")
        digest.update(struct.pack("<Q", len(encoded)) + encoded)
    return f"{digest.hexdigest()}.{kind}"


def describe(kind: Kind, key: CacheKey, facts: Mapping[str, int]) -> bytes:
    """Return an entry's description; `facts` may have any names but `kind` and `key`."""
    return json.dumps({"kind": kind, "key": key, **facts}).encode()


def header_bytes(description: bytes) -> int:
    """Return how long the header with this description is: where the payload begins."""
    return _PREFIX.size + _CHECKSUM.size + len(description)


def pack_header(description: bytes, payload_bytes: int, payload_checksum: int) -> bytes:
    """Return all that stands before the payload."""
    prefix = _PREFIX.pack(MAGIC, len(description), payload_bytes, payload_checksum)
    return prefix + _CHECKSUM.pack(zlib.crc32(description, zlib.crc32(prefix))) + description


@dataclass(frozen=True, slots=True)
class Found:
    """What a whole entry says of itself, and where its payload lies."""

    facts: Mapping[str, int]
    payload_at: int
    payload_bytes: int


def read_verified(file: FileIO, kind: Kind, key: CacheKey) -> Found:
    """Read an entry's header and check all of the file; raises DamagedError, OSError."""
    size, least = os.fstat(file.fileno()).st_size, header_bytes(b"")
    if size < least:
        raise DamagedError("it is cut short")
    start = read_at(file, 0, least)
    magic, description_bytes, payload_bytes, payload_checksum = _PREFIX.unpack_from(start)
    if magic != MAGIC:
        raise DamagedError("it is of another format")
    if description_bytes > _LONGEST_DESCRIPTION or size != least + description_bytes + payload_bytes:
        raise DamagedError("its length is not what its header says")
    description = read_at(file, least, description_bytes)
    if start + description != pack_header(bytes(description), payload_bytes, payload_checksum):
        raise DamagedError("its header is damaged")
    facts = json.loads(description)
    if facts.pop("kind") != kind or tuple(facts.pop("key")) != key:
        raise DamagedError("it is the entry of another key")
    found = Found(facts, least + description_bytes, payload_bytes)
    if checksum(file, found.payload_at, payload_bytes) != payload_checksum:
        raise DamagedError("its contents are damaged")
    return found


def checksum(file: FileIO, at: int, length: int) -> int:
    """CRC-32 of a part of a file; raises OSError, also where the file ends before."""
    found = 0
    for block in _blocks(file, at, length):
        found = zlib.crc32(block, found)
    return found


def read_at(file: FileIO, at: int, length: int) -> bytearray:
    """Read exactly so many bytes; raises OSError, also where the file ends before."""
    out = bytearray(length)
    read_into(file, at, memoryview(out))
    return out


def read_into(file: FileIO, at: int, out: memoryview) -> None:
    """Fill a buffer of bytes from a place in a file; raises OSError, also where the file ends before."""
    file.seek(at)
    done = 0
    while done < len(out):
        count = file.readinto(out[done:])
        if not count:
            raise OSError(f"it ends after {at + done} bytes")
        done += count


def write_at(file: FileIO, at: int, data: bytes | memoryview) -> None:
    """Write all of some bytes at a place in a file; raises OSError."""
    file.seek(at)
    rest = memoryview(data)
    while rest:
        # A disk that is nearly full takes a part and refuses the next.
        rest = rest[file.write(rest) :]


def _blocks(file: FileIO, at: int, length: int) -> Iterator[memoryview]:
    """Parts of a file in order, each valid until the next."""
    buffer = memoryview(bytearray(min(length, _BLOCK_BYTES)))
    for start in range(at, at + length, _BLOCK_BYTES):
        block = buffer[: min(_BLOCK_BYTES, at + length - start)]
        read_into(file, start, block)
        yield block
