"""Anything that answers prompts."""
