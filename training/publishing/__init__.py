"""From trained weights to a version in a registry."""
