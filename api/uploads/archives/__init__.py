"""Parsers of archives, which are written to disk first: zip, npz and tar."""
