"""Who acts in the tests."""

from __future__ import annotations

from mailcore.actor import Actor

ME = Actor("quem-testa")
