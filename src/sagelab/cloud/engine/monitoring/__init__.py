"""Model Monitor's schedules: when an execution is due, what data it looks at, and its processing jobs."""
