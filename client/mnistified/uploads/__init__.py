"""Images and files in the forms that a caller has them, as request bodies."""
