"""Load and ratio measurements: `python -m benchmarks`. Everything on loopback, fixed inputs, ratios first."""
