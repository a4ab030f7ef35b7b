"""The Celery worker: the batching step, the engines, the ordinary tasks. The only serving code that runs a model."""
