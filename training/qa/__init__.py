"""The QA gate: whether a version is fit to serve. `gate.judge` is its door, `command.run` its command."""
