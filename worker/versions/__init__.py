"""Which model versions a worker loads, keeps and unloads."""
