"""The model repository: a folder of entries, read, checked and resolved to weights on disk."""
