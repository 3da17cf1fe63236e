"""Tool calls of Qwen's agents: a name, then a JSON object with a box or a point, per mille."""

from __future__ import annotations

from pe.formats._dialect import JsonFormat

__all__ = ["ToolCall"]


class ToolCall(JsonFormat):
    """QwenLM/Qwen3-VL, cookbooks/think_with_images.ipynb and computer_use.ipynb. Read only."""

    grammar = (
        '[TOOL_CALL] NAME {"label": "PHRASE", "bbox_2d": [x0, y0, x1, y1]} | '
        '<tool_call>{"name": "NAME", "arguments": {"coordinate": [x, y]}}</tool_call>'
    )
    coordinates = "0..1000 of each side"
    rounding = "read only"
    writes = frozenset()
    units = "thousandths"
