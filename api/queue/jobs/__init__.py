"""Jobs in Redis: storing an upload as a job, reading its results, and its end."""
