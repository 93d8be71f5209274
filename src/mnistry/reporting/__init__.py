"""Plots, HTML pages and text tables: internal helpers that know nothing of models or data."""
