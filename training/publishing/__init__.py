"""The conversion of trained weights into a version in a registry."""
