"""The adaptive batcher: which requests share a batch, and when it is started. It knows nothing of models or of sockets."""
