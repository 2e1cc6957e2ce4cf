"""The kinds of server there are, and the class of each.

A class is imported when a server of its kind is used: nobody who only lists servers loads an HTTP
library. ``ADDING_A_TRANSPORT.md`` says how to add a kind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailcore.vocabulary import Kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailcore.transports.base import Connection, Transport


def _smtp() -> type[Transport]:
    from mailcore.transports.smtp import SmtpTransport

    return SmtpTransport


def _elastic_email() -> type[Transport]:
    from mailcore.transports.elastic_email import ElasticEmailTransport

    return ElasticEmailTransport


TRANSPORTS: dict[Kind, Callable[[], type[Transport]]] = {
    Kind.SMTP: _smtp,
    Kind.ELASTIC_EMAIL: _elastic_email,
}


def transport_for(connection: Connection) -> Transport:
    """Return the transport that speaks to this server; nobody is contacted yet.

    Raises:
        ConfigurationError: the connection cannot be used as it stands (an Elastic Email address
            without encryption, say).
    """
    return TRANSPORTS[connection.kind]()(connection)
