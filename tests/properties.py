"""How long a property test searches for what breaks it."""

import os

IS_THOROUGH = os.environ.get("MAILCORE_HYPOTHESIS") == "thorough"
"""Whether what takes long is wanted as well."""


def examples(count: int) -> int:
    """Return how many examples to try: ``count``, ten times that with ``MAILCORE_HYPOTHESIS=thorough``."""
    return count * (10 if IS_THOROUGH else 1)
