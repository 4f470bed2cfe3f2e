"""The API edition against its stand-in."""
