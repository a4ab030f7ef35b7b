"""Bad input by class, sent to a running service: `python -m tests.hostile`, or `make hostile`."""
