"""A backend without a model, for benchmarks and tests of everything around one."""
