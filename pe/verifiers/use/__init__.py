"""Verifiers in use: JSON lines in and out, one reward function for TRL and one for verl."""
