"""Perception dataset engines: images in, verified training data out."""

__version__ = "0.1.0"
