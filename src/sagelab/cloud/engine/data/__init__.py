"""What goes into a host and comes out of it: S3, archives, checkpoints, the folders of /opt/ml."""
