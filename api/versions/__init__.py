"""Model versions as the API sees them: catalogue, aliases, promotion, quality, layers, retraining."""
