"""Many jobs: read as they are needed, sent as places come free."""
