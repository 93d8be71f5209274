"""Lets `python -m mnistry` do what `mnistry` does."""

from mnistry.cli import main

main()
