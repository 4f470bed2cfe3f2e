"""What a server offers, and whether it would run a graph."""
