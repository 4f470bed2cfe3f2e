"""Files of a job on their way: read on after a break, checked, saved, cleaned away."""
