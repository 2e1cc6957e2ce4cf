"""The colours of the charts, told apart by people with any kind of colour vision.

Paul Tol's scheme "muted" (personal.sron.nl/~pault, "Introduction to Colour Schemes"), and his pale grey for the rest.
The limit has the vermilion of Okabe and Ito (jfly.uni-koeln.de/color), which stands for nothing else.
"""

from __future__ import annotations

SERIES = ("#88CCEE", "#AA4499", "#DDCC77", "#44AA99", "#332288")
"""One for each server in a chart; there are no more servers in one than colours."""
OTHERS = "#DDDDDD"
"""All other servers together."""
LIMIT = "#D55E00"
OUTLINE = "#7d8f92"
"""Around every bar: on a white ground, and on a dark one, some of the colours would not stand out."""
HEAT = ("#0b6b7218", "#0b6b72")
"""Little and much: one hue, so that only its strength says something."""
