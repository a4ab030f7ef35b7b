"""Callbacks: a POST to the client's URL once its job is final."""
