"""Compatibility APIs for unmodified clients of other servers: Open Inference Protocol v2, TensorFlow Serving REST."""
