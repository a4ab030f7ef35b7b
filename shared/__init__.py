"""The contract between the API, the worker and the training code."""
