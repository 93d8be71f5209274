"""Readers of custom data, one module per format, and what they share."""
