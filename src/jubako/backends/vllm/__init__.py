"""vLLM, driven from the instance's own process: its engine core runs in a child of it."""
