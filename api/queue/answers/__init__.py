"""The JSON of jobs, items and answers, computed from the data in Redis without I/O."""
