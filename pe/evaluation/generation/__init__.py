"""Answers of a model to the rows of shards: `generate` writes them, resumable, from here or from a server."""

from pe.evaluation.generation.generate import generate, is_first
from pe.evaluation.generation.settings import GenerationSettings

__all__ = ["GenerationSettings", "generate", "is_first"]
