"""Models that another server runs: connections, retries, limits and health, whatever protocol that server speaks."""
