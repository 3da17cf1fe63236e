"""SimpleSeg's other textual dialect: always three decimals (0.250), as in the figure of its paper."""

from __future__ import annotations

from pe.formats.simpleseg import SimpleSeg

__all__ = ["SimpleSegFixed"]


class SimpleSegFixed(SimpleSeg):
    """songtianhui/SimpleSeg, figures/method.png; in everything else `simpleseg`."""

    coordinates = "fractions 0..1 of each side, always three decimals"

    def _digits(self, fraction: float) -> str:
        return f"{fraction:.3f}"
