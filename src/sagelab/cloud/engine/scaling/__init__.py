"""Application Auto Scaling's work: what an alarm or a schedule changes of a variant's capacity."""
