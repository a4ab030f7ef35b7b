"""The quality gate decides whether a version may serve. Entry points: `gate.judge` and the command `command.run`."""
