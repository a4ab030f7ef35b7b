"""Decodes image files into `uint8[28,28]`."""
