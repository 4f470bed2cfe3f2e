"""The words of a trip, made of its own facts."""
