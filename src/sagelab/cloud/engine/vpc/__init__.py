"""The network of a VPC, as EC2's records say it."""
