"""Decodes image files into the shape of a version's images."""
