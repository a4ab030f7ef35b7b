"""Judges how well a version says "unsure": pictures of what is no digit, and of digits that are hard to read."""
