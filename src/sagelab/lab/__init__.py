"""What a notebook imports. Speaks boto3 alone, so that it runs on AWS as it is."""
