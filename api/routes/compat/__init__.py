"""Other servers' protocols, for their unmodified clients: Open Inference Protocol v2, TensorFlow Serving REST."""
