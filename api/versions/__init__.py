"""The API's side of model versions: catalogue, aliases, promotion, quality, layers, retraining."""
