"""scikit-learn models, saved with skops."""
