"""Fits to held-out images after training: temperatures, thresholds of a cascade, and acceptance rules."""
