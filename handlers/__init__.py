"""What the service does: pure functions from requests to answers."""
