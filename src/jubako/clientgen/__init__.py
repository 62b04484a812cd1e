"""Typed client packages, made from what is served."""
