"""Which registered server a pasted text is about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailcore.diagnosis.explain import FoundReply, explain
from mailcore.registry.search import ServerQuery

if TYPE_CHECKING:
    from mailcore.registry.servers import Servers
    from mailcore.storage.tables import MailServer

_MOST_LOOKED_AT = 5
"""Servers that are compared with what the text names."""


@dataclass(frozen=True, slots=True)
class Explained:
    """One reply found in a pasted text, and the registered server it seems to be about."""

    found: FoundReply
    server: MailServer | None


def explain_of(servers: Servers, text: str, *, phase: str = "", provider: str = "") -> list[Explained]:
    """Explain what somebody pasted, and name the registered server each reply seems to be about.

    Raises:
        StorageError: the registry could not be read.
    """
    return [Explained(found, _server_in(servers, found)) for found in explain(text, phase=phase, provider=provider)]


def _server_in(servers: Servers, found: FoundReply) -> MailServer | None:
    """The server whose sender or user is named beside the reply; else the only one of a host named there."""
    for address in found.addresses:
        for server in servers.search(ServerQuery(text=address, page_size=_MOST_LOOKED_AT)).servers:
            if address.casefold() in (server.from_address.casefold(), server.username.casefold()):
                return server
    for host in found.hosts:
        same = servers.search(ServerQuery(text=host, page_size=_MOST_LOOKED_AT)).servers
        of_host = [server for server in same if server.host == host.casefold()]
        if len(of_host) == 1:
            return of_host[0]
    return None
