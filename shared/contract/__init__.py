"""The structures that cross a process boundary."""
