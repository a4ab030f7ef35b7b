"""Decoding: from the bytes of an image file to `uint8[28,28]`."""
