"""HTTP below the routes: connection limits, API keys, request ids, parameters and responses."""
