"""Which version of a template an environment runs, and the lock that fixes it."""
