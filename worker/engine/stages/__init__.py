"""The networks of a version with their batch sizes, their order in a cascade, and the rule that accepts answers."""
