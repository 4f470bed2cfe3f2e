"""Clocks, stand-ins and fault kits: what our tests use, and yours may too."""
