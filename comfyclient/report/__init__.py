"""What became of many jobs, on one page."""
