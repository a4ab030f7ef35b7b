"""The IDX format of the MNIST files.

offset 0   two zero bytes
offset 2   element type; only 0x08 (uint8) is supported
offset 3   rank
offset 4   shape: rank × uint32, big-endian
then       elements, row-major
"""

import math
import struct

UINT8_TYPE = 0x08
MAX_RANK = 4
MAX_HEADER_BYTES = 4 + 4 * MAX_RANK  # the longest header


def parse_header(head: bytes) -> tuple[tuple[int, ...], int]:
    """Return (shape, header length in bytes). `head` is the first MAX_HEADER_BYTES of a file, or more.

    Raises ValueError with the reason if this is not the start of a uint8 IDX file with a rank from 1 to MAX_RANK.
    """
    if len(head) < 4:
        raise ValueError(f"truncated IDX header: {len(head)} bytes, but the magic number has 4")
    zeros, element_type, rank = struct.unpack(">HBB", head[:4])
    if zeros != 0:
        raise ValueError(f"bad IDX magic number {head[:4].hex()}: the first two bytes must be zero")
    if element_type != UINT8_TYPE:
        raise ValueError(f"IDX element type 0x{element_type:02x}: only uint8 (0x08) is supported")
    if not 1 <= rank <= MAX_RANK:
        raise ValueError(f"IDX rank {rank}: only 1 to {MAX_RANK} dimensions are supported")
    header_bytes = 4 + 4 * rank
    if len(head) < header_bytes:
        raise ValueError(f"truncated IDX header: {len(head)} bytes, but rank {rank} needs {header_bytes}")
    return struct.unpack(f">{rank}I", head[4:header_bytes]), header_bytes


def parse(content: bytes) -> tuple[tuple[int, ...], memoryview]:
    """Return (shape, view of the elements) of a uint8 IDX file. Raises ValueError if they do not fit together."""
    shape, header_bytes = parse_header(content[:MAX_HEADER_BYTES])
    elements = memoryview(content)[header_bytes:]
    if len(elements) != math.prod(shape):
        raise ValueError(f"IDX of shape {shape} needs {math.prod(shape)} bytes, found {len(elements)}")
    return shape, elements
