"""One figure, its target, and the plain table they are printed in."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value. Without a target it is printed for information."""

    name: str
    value: float | None
    """None where it could not be measured; ``remark`` says why."""
    unit: str = ""
    target: float | None = None
    """The value may be at most this."""
    remark: str = ""
    at_least: bool = False
    """The target is the least the value may be."""

    @property
    def verdict(self) -> str:
        if self.value is None:
            return "not measured"
        if self.target is None:
            return ""
        if self.at_least:
            return "within" if self.value >= self.target else "under"
        return "within" if self.value <= self.target else "over"


def table(title: str, figures: list[Figure]) -> str:
    """Return the figures as aligned text."""
    heads = ("what", "target", "value", "verdict", "remark")
    lines = [heads, *(_cells(figure) for figure in figures)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
    rule = tuple("-" * width for width in widths)
    body = (
        "  ".join(
            cell.rjust(width) if column in (1, 2) else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in (heads, rule, *lines[1:])
    )
    return "\n".join((title, "=" * len(title), *body, ""))


def _cells(figure: Figure) -> tuple[str, str, str, str, str]:
    target = (
        ""
        if figure.target is None
        else f"{'≥' if figure.at_least else '≤'} {_number(figure.target)} {figure.unit}".rstrip()
    )
    value = "" if figure.value is None else f"{_number(figure.value)} {figure.unit}".rstrip()
    return figure.name, target, value, figure.verdict, figure.remark


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
