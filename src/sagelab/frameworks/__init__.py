"""What the images of frameworks do around a learner's script, in a job's host."""
