"""The forms in which models write: reasoning, tool calls and text, one module for each form.

A form has two sides that must agree: a grammar, which lets the model write nothing but valid calls, and a reader, which tells
what was written. :mod:`jubako.backends.text.formats.choice` says which form a model has.
"""
