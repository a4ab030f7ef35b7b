"""Deployment: on one machine (`python -m deploy.local`), in containers, on a cluster."""
