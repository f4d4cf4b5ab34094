"""Builds: CodeBuild's work, in hosts like those of jobs."""
