"""One suite for every storage, and what is each one's own."""
