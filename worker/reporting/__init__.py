"""What a worker reports: heartbeat, metrics, Flower events, spans, drift."""
