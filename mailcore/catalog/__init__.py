"""Known providers, as data: settings, published limits, and where each figure was read.

:mod:`mailcore.catalog.data` holds the rows, :mod:`~mailcore.catalog.index` finds one,
:mod:`~mailcore.catalog.mx` asks the DNS who receives a domain's mail, and :mod:`~mailcore.catalog.lookup` makes
of an address or a host what a form can be filled with.
"""

from __future__ import annotations

from mailcore.catalog.data import Provider, providers
from mailcore.catalog.index import for_domain, for_host, for_mx, provider_id

__all__ = ["Provider", "for_domain", "for_host", "for_mx", "provider_id", "providers"]
