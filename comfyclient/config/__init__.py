"""What an environment is: its settings, where they come from, what keeps two apart."""
