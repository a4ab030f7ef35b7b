"""Pictures of any size: their parameters, and numbers of several digits."""
