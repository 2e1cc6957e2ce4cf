"""Who acts in the tests."""

from __future__ import annotations

from argon2 import PasswordHasher

from mailcore.actor import Actor

ME = Actor("quem-testa")

CHEAP_HASHES = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
"""For the passwords of people in tests that are not of the hashes themselves."""
