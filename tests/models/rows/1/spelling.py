"""Beside the model's file."""


def shout(text: str) -> str:
    return f"{text.upper()}!"
