"""Search for good settings of a recipe: random settings, asynchronous successive halving, on Ray Tune."""
