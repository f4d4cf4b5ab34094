"""What runs inside a host of Spark's image, where the container of AWS has smspark.

Its parts know nothing of processing jobs but a container's folders: whatever runs Spark can use them.
"""
