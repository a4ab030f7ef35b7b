"""Callbacks: telling a client's URL that its job is final."""
