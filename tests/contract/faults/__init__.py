"""The fault matrix: every fault at every moment of a job, and what must come of it."""
