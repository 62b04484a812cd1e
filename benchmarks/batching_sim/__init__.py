"""The batcher's policy against others, in simulated time."""
