"""The IDX format that MNIST is published in: a small header, then row-major bytes.

offset 0   two zero bytes
offset 2   element type; 0x08 is uint8, the only one accepted here
offset 3   rank
offset 4   rank × uint32, big-endian: the shape
then       the elements
"""

import math
import struct

UINT8_TYPE = 0x08
MAX_RANK = 4
MAX_HEADER_BYTES = 4 + 4 * MAX_RANK  # as many as `parse_header` ever needs


def parse_header(head: bytes) -> tuple[tuple[int, ...], int]:
    """Return (shape, header length in bytes) from the first bytes of a uint8 IDX file.

    `head` may be longer than the header; `MAX_HEADER_BYTES` of a file always do.
    Raises ValueError, saying which, when these bytes begin no IDX file, one of
    another type, one of rank 0 or above 4, or end before the header does.
    """
    if len(head) < 4:
        raise ValueError(f"truncated IDX header: {len(head)} bytes where the magic number takes 4")
    zeros, element_type, rank = struct.unpack(">HBB", head[:4])
    if zeros != 0:
        raise ValueError(f"bad IDX magic number {head[:4].hex()}: the first two bytes must be zero")
    if element_type != UINT8_TYPE:
        raise ValueError(f"IDX element type 0x{element_type:02x}: only uint8 (0x08) is supported")
    if not 1 <= rank <= MAX_RANK:
        raise ValueError(f"IDX rank {rank}: only 1 to {MAX_RANK} dimensions are supported")
    header_bytes = 4 + 4 * rank
    if len(head) < header_bytes:
        raise ValueError(f"truncated IDX header: {len(head)} bytes where rank {rank} takes {header_bytes}")
    return struct.unpack(f">{rank}I", head[4:header_bytes]), header_bytes


def parse(content: bytes) -> tuple[tuple[int, ...], memoryview]:
    """Return (shape, elements) of a whole uint8 IDX file; the elements are a view, not a copy.

    Raises ValueError where `parse_header` does, and when the elements are more or fewer than the shape says.
    """
    shape, header_bytes = parse_header(content[:MAX_HEADER_BYTES])
    elements = memoryview(content)[header_bytes:]
    if len(elements) != math.prod(shape):
        raise ValueError(f"IDX of shape {shape} takes {math.prod(shape)} bytes, found {len(elements)}")
    return shape, elements
