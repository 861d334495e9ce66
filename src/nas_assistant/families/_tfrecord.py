"""TFRecord files and protocol buffers, as far as reading published results takes them."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from nas_assistant.errors import UserError

LONGEST = 1 << 24
"""Longest record that is read, in bytes; a benchmark's are about a thousand."""

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def read_records(path: Path) -> Iterator[bytes]:
    """The records of a TFRecord file.

    Each is an 8-byte length with its checksum, the bytes, and their checksum. The length's checksum is
    verified, so that another kind of file is told at once; that of the bytes is not.

    Raises:
        UserError: The file cannot be read, is of another kind or is cut short.
    """
    try:
        with path.open("rb") as file:
            while header := file.read(12):
                position = file.tell() - len(header)
                length = _length(header)
                if length is None:
                    raise UserError(f"{path}: not a TFRecord file, or damaged at byte {position}")
                record = file.read(length + 4)
                if len(record) < length + 4:
                    raise UserError(f"{path}: cut short, its last record starts at byte {position}")
                yield record[:length]
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error


def _length(header: bytes) -> int | None:
    if len(header) < 12:
        return None
    length, checksum = struct.unpack("<QI", header)
    return int(length) if length <= LONGEST and checksum == masked_crc32c(header[:8]) else None


def masked_crc32c(data: bytes) -> int:
    """The checksum of TFRecord files: CRC-32C, rotated by 15 bits, plus a constant."""
    table, value = _crc_table(), 0xFFFFFFFF
    for byte in data:
        value = table[(value ^ byte) & 0xFF] ^ (value >> 8)
    value ^= 0xFFFFFFFF
    return (((value >> 15) | (value << 17)) + 0xA282EAD8) & 0xFFFFFFFF


@cache
def _crc_table() -> tuple[int, ...]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return tuple(table)


def read_fields(message: bytes) -> Iterator[tuple[int, int | float | bytes]]:
    """The fields ``(number, value)`` of a protocol buffer, in order.

    A variable-length integer comes as int, eight bytes as the double they are, the rest as bytes.

    Raises:
        ValueError: The message is damaged, or has a kind of field that is not read here.
    """
    position = 0
    while position < len(message):
        key, position = _varint(message, position)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            integer, position = _varint(message, position)
            yield number, integer
            continue
        if kind == _BYTES:
            size, position = _varint(message, position)
        elif kind in (_FIXED64, _FIXED32):
            size = 8 if kind == _FIXED64 else 4
        else:
            raise ValueError(f"protocol buffer field of kind {kind}")
        data = message[position : position + size]
        if len(data) < size:
            raise ValueError("protocol buffer cut short")
        position += size
        yield number, struct.unpack("<d", data)[0] if kind == _FIXED64 else data


def _varint(message: bytes, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(message):
            raise ValueError("protocol buffer cut short")
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise ValueError("protocol buffer integer too long")
