"""The API's side of the queue: single images, jobs, Redis connections, wake-ups."""
