"""Readers of one's own data, a module a format, and what they share."""
