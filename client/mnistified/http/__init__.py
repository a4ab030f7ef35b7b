"""Requests to the service and its replies, without the waiting."""
