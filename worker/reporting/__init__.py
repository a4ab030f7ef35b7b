"""The reports of a worker: heartbeat, metrics, Flower events, spans, drift."""
