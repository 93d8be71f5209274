"""Config, recipes, the compiled loop, fit, checkpoints and runs."""
