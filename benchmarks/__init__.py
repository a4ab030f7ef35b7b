"""Load and ratio measurements: `python -m benchmarks`. Inputs are fixed, and all traffic is on loopback."""
