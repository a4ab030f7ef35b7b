"""Training, export and evaluation of the model: `python -m training --help`."""
