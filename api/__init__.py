"""HTTP in, HTTP out. Knows neither TensorFlow nor the worker."""
