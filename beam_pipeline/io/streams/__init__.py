"""Text that never ends: messages of Kafka and Pub/Sub, and folders that files are added to."""
