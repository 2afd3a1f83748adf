"""A checksum within a Parquet file of ours, looked at before Arrow sees a byte: a damaged file may take Python down.

Parquet has checksums of pages but none of its headers and footer. The mark stands between the last page and the footer,
where no reader looks: `PIJ1` and the CRC-32 of everything else, little-endian.
"""

import zlib
from pathlib import Path
from typing import BinaryIO

MARK = b"PIJ1"
SIZE = len(MARK) + 4
MAGIC = b"PAR1"
TAIL = 4 + len(MAGIC)
PIECE = 1 << 20


def write_mark(path: Path) -> None:
    """Put the mark into a file that has just been written."""
    with path.open("r+b") as file:
        place, rest = _footer(file.seek(0, 2), file)
        crc = _crc(file, place)
        file.seek(place)
        file.write(MARK + zlib.crc32(rest, crc).to_bytes(4, "little") + rest)


def check_mark(path: Path) -> None:
    """Compare a file with its mark; files of version 1 have none.

    Raises:
        ValueError: it is no Parquet file, or not the one that was marked.
    """
    with path.open("rb") as file:
        size = file.seek(0, 2)
        place, rest = _footer(size, file)
        file.seek(max(0, place - SIZE))
        mark = file.read(SIZE) if place >= SIZE else b""
        if not mark.startswith(MARK):
            return
        if zlib.crc32(rest, _crc(file, place - SIZE)) != int.from_bytes(mark[len(MARK) :], "little"):
            raise ValueError("its checksum is not that of its bytes")


def _footer(size: int, file: BinaryIO) -> tuple[int, bytes]:
    """Where the footer begins, and everything from there."""
    file.seek(0)
    head = file.read(len(MAGIC))
    file.seek(max(0, size - TAIL))
    tail = file.read(TAIL)
    length = int.from_bytes(tail[:4], "little")
    if size < len(MAGIC) + TAIL or head != MAGIC or tail[4:] != MAGIC or length > size - len(MAGIC) - TAIL:
        raise ValueError("it is no Parquet file")
    place = size - TAIL - length
    file.seek(place)
    return place, file.read()


def _crc(file: BinaryIO, until: int) -> int:
    """Of the bytes before a place."""
    file.seek(0)
    crc = 0
    while until > 0:
        piece = file.read(min(PIECE, until))
        crc, until = zlib.crc32(piece, crc), until - len(piece)
    return crc
