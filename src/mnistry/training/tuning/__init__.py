"""The search for good hyperparameters, on Ray Tune."""
