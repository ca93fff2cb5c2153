"""One-shot jobs of the containerised stack: secrets, bucket, backup and restore."""
