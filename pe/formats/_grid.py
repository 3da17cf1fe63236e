"""Coordinates to numbers on a grid and back."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Grid:
    """Numbers 0 .. `top` along a side.

    "marks": number v is the position v / top, written as the nearest one (halves up). "cells": v is the middle of the
    v-th of top + 1 equal cells, written as the cell the position lies in. Both come back within half a step. "floor"
    and "even" are marks written by rounding down and to the even neighbour, as some published code does; the first is
    off by up to a step.
    """

    top: int
    kind: Literal["marks", "cells", "floor", "even"] = "marks"

    def write(self, value: float, side: float) -> int:
        """The number of the position `value` on a side of length `side`; what lies outside goes to the border."""
        part = min(max(value / side, 0.0), 1.0)
        if self.kind == "cells":
            return min(int(part * (self.top + 1)), self.top)
        if self.kind == "even":
            return round(part * self.top)
        return int(part * self.top) if self.kind == "floor" else math.floor(part * self.top + 0.5)

    def read(self, number: float, side: float) -> float:
        """The position that `number` means."""
        if self.kind == "cells":
            return (number + 0.5) * side / (self.top + 1)
        return number * side / self.top

    def step(self, side: float) -> float:
        """The distance between neighbouring numbers on a side of length `side`."""
        return side / (self.top + 1 if self.kind == "cells" else self.top)
