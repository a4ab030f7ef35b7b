"""The state of the whole service for `/status` and `/metrics`: queues, workers, drift, shadows."""
