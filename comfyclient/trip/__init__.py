"""What a car recorded, and what of it may be published."""
