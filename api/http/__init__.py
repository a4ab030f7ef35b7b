"""HTTP below the routes: connections, API keys, request ids, parameters and responses."""
