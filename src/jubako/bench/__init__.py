"""Loads any server of OpenAI's chat API with streams, and measures what comes back."""
