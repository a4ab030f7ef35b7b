"""The checks of the quality gate."""
