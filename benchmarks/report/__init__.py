"""Turns raw figures into ratios and a Markdown report."""
