"""The way into the queue and back: single images, jobs, Redis connections, wake-ups."""
