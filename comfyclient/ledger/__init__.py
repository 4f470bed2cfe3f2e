"""The durable journal of jobs."""
