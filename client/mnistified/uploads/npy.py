"""The header of a `.npy` file, version 1. The elements follow it, row by row."""

import struct

NPY_TYPE = "application/x-npy"
UINT8 = "|u1"
FLOAT32 = "<f4"
ALIGNED_BYTES = 64


def npy_header(shape: tuple[int, ...], dtype: str) -> bytes:
    """Return the header. `dtype` is UINT8 or FLOAT32."""
    description = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape!r}, }}"
    padding = -(10 + len(description) + 1) % ALIGNED_BYTES
    text = f"{description}{' ' * padding}\n".encode("latin-1")
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text
