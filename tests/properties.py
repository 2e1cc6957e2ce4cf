"""How long a property test searches for what breaks it."""

import os

_TIMES = 10 if os.environ.get("MAILCORE_HYPOTHESIS") == "thorough" else 1


def examples(count: int) -> int:
    """Return how many examples to try: ``count``, ten times that with ``MAILCORE_HYPOTHESIS=thorough``."""
    return count * _TIMES
