"""The measurements, one file per section of the report."""
