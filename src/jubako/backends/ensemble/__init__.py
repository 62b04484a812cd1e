"""Models that are a graph of other models."""
