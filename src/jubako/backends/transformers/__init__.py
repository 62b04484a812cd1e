"""Hugging Face models in the instance's own process, through transformers."""
