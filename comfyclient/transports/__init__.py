"""How an instance is reached: one module for each kind of server."""
