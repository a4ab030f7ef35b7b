"""Routes under `/results`: polling, items, cancelling, event streams."""
