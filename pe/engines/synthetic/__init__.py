"""A drawn world with known truth."""
