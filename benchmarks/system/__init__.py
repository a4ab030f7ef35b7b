"""The service under measurement, its processes, and the machine."""
