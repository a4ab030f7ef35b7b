"""Settings and how their values are parsed."""
