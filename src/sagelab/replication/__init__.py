"""What runs inside the host of a replication task of DMS: python3 -m sagelab.replication."""
