"""One-shot jobs of the containers: secrets, bucket, backup and restore."""
