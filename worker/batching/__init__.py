"""The path of an image in a worker: from the stream through a batch to its result."""
