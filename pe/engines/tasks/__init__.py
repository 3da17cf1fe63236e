"""Tasks: an annotated sample into questions with answers, one file each; `pe.registry` finds them (kind "tasks")."""

from pe.engines.tasks._base import Exchange, Parameters, Task

__all__ = ["Exchange", "Parameters", "Task"]
