"""The inside of a training: the compiled step, the schedule, progress, and checkpoints."""
