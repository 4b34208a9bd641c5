"""A synthetic or replayed city with its truth that drives real edge agents."""
