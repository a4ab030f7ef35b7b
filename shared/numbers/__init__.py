"""The reading of a number: its texts, their probabilities, and whether it is sure. Pure functions."""
