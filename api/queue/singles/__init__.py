"""Single images: writing them to the queue, waiting for their answers, and the replies."""
