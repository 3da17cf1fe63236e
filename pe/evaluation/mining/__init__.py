"""The difficulty of rl rows for a model, measured by its own answers, and the rows that are worth training on."""

from pe.evaluation.mining.mine import mine
from pe.evaluation.mining.settings import MineSettings

__all__ = ["MineSettings", "mine"]
