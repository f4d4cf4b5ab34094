"""What runs inside a host of a job run of EMR Serverless's."""
