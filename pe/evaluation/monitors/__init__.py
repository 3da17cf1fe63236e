"""Monitors: what a model does while it is trained, by data source; independent of any trainer."""

from pe.evaluation.monitors.monitor import Monitor
from pe.evaluation.monitors.writers import TensorBoard, append_json_lines, json_lines, report_by

__all__ = ["Monitor", "TensorBoard", "append_json_lines", "json_lines", "report_by"]
