"""What runs inside an instance of an EMR cluster: bootstrap actions, a node of Spark's, steps and their logs."""
