"""The HTTP API. It imports neither TensorFlow nor the worker."""
