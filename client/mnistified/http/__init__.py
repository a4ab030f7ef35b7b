"""Requests to the service and its replies."""
