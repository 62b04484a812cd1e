"""Models that read text and give numbers: embeddings, scores, classes."""
