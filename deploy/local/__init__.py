"""The whole system on one machine: `python -m deploy.local`, and `mnistified serve`."""
