"""The OpenAPI description of the HTTP interface: `/openapi.json`, and its page at `/docs`."""
