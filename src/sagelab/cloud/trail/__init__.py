"""What CloudTrail does behind its API: every call is recorded, kept, found again and delivered to S3."""
