"""Routes under `/models`: versions, aliases, retraining."""
