"""Running the service: on one machine (`python -m deploy.local`), in containers, on a cluster."""
