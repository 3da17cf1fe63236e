"""Verifiers: rewards by the sample's own fields, one file each; `pe.registry` finds them by name (kind "verifiers")."""

from pe.verifiers._base import Call, Missing, Parameters, Verifier
from pe.verifiers._schedule import V_TRIUNE, Schedule, Thresholds
from pe.verifiers._scoring import Panel, Question, Score, check, panel, read_answers, score, stages
from pe.verifiers._truth import Target, Truth, TruthError, read_truth

__all__ = [
    "V_TRIUNE",
    "Call",
    "Missing",
    "Panel",
    "Parameters",
    "Question",
    "Schedule",
    "Score",
    "Target",
    "Thresholds",
    "Truth",
    "TruthError",
    "Verifier",
    "check",
    "panel",
    "read_answers",
    "read_truth",
    "score",
    "stages",
]
