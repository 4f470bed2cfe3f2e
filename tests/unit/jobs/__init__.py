"""The router and its policy."""
