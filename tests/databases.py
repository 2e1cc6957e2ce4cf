"""On which kinds of database a test runs that asks for one (``database_url``, ``core``): on both, but for these."""

from __future__ import annotations

import pytest

on_one_database = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""For a table of what Python decides, beside tests on both kinds that store and read by the same statements."""
