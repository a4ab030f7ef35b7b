"""The report of the quality gate, as JSON, as a page and as a table."""
