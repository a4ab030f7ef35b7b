"""Ordinary Celery tasks: callbacks, retraining, and classification for Celery clients."""
