"""The command line: `mnistified`, or `python -m mnistified`."""
