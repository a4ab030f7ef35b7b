"""Alternatives to this service, each with its best settings: one file per server, run by the Python of its venv."""
