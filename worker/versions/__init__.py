"""The model versions that a worker loads, keeps and unloads."""
