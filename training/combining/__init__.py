"""Combining trained networks to one version: ensembles, which average, and cascades, whose networks take turns."""
