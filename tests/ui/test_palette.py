"""The colours of the charts are told apart by protanopes, by deuteranopes, and by everybody else."""

from __future__ import annotations

from itertools import combinations
from math import dist

import pytest

from ui.cotas.palette import LIMIT, OTHERS, SERIES

LEAST = 20.0
"""CIE76 difference; about 2 is just noticeable, 10 is seen at a glance."""

# Linear RGB as people without red or green cones see it: Machado, Oliveira and Fernandes 2009, severity 1.0.
VISION = {
    "trichromat": ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
    "protanope": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deuteranope": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
}


def linear(colour: str) -> list[float]:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    return [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]


def lab(rgb: list[float]) -> tuple[float, float, float]:
    """CIE L*a*b* under D65."""
    rows = ((0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505))
    white = (0.95047, 1.0, 1.08883)
    xyz = [sum(a * b for a, b in zip(row, rgb, strict=True)) / most for row, most in zip(rows, white, strict=True)]
    x, y, z = (value ** (1 / 3) if value > 0.008856 else 7.787 * value + 16 / 116 for value in xyz)
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def seen(colour: str, vision: str) -> tuple[float, float, float]:
    rgb = linear(colour)
    simulated = [sum(a * b for a, b in zip(row, rgb, strict=True)) for row in VISION[vision]]
    return lab([min(1.0, max(0.0, part)) for part in simulated])


def least_difference(colours: tuple[str, ...], vision: str) -> float:
    return min(dist(seen(one, vision), seen(other, vision)) for one, other in combinations(colours, 2))


@pytest.mark.parametrize("vision", VISION)
def test_every_two_colours_of_a_chart_are_told_apart(vision: str) -> None:
    assert least_difference((*SERIES, OTHERS, LIMIT), vision) > LEAST


def test_the_measure_finds_the_colours_that_were_there_before() -> None:
    before = ("#0b6b72", "#b45309", "#1d5fa8", "#7a4fa3", "#18794e", "#b3261e")
    assert least_difference(before, "protanope") < LEAST


def test_the_limits_colour_stands_for_nothing_else() -> None:
    assert LIMIT not in (*SERIES, OTHERS)
