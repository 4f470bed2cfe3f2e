"""Photos of a trip: fetched, checked, upright, without what their camera wrote."""
