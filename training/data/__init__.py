"""The images that a training run learns from."""
