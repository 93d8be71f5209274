"""The lesson: its eleven steps in words, in the terminal and as a report."""
