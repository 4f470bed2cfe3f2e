"""Where an environment's files are: one module for each kind of place."""
