"""Let `python -m mnistry` do what `mnistry` does."""

from mnistry.cli.app import run

run()
