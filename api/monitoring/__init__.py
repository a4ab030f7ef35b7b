"""What `/status` and `/metrics` report about the whole service: queues, workers, drift, shadows."""
