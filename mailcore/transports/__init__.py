"""The kinds of server there are, and the way from a record to one who speaks to its server.

Everything that differs by kind is asked of :func:`kind_of`. ``ADDING_A_TRANSPORT.md`` says how to add a kind.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from mailcore.transports.elastic_kind import ElasticEmailKind
from mailcore.transports.kind import ServerKind, UnknownKind
from mailcore.transports.smtp_kind import SmtpKind
from mailcore.vocabulary import Kind

if TYPE_CHECKING:
    from pydantic import SecretStr

    from mailcore.settings import Settings
    from mailcore.transports.base import Connection, TokenSource, Transport
    from mailcore.transports.kind import Record

_MOST_ID = 20
"""Characters of an id: what the column takes."""

_KINDS: dict[Kind, ServerKind] = {}


def register(kind: ServerKind) -> None:
    """Make a kind of server known; one of the same id takes its place.

    Raises:
        ValueError: its id is no short word of small letters.
    """
    if not kind.id.isascii() or not kind.id.replace("_", "").isalnum() or kind.id != kind.id.lower():
        raise ValueError(f"{kind.id!r} is no id: use small letters, digits and _")
    if len(kind.id) > _MOST_ID:
        raise ValueError(f"{kind.id!r} is longer than {_MOST_ID} characters")
    _KINDS[kind.id] = kind


register(SmtpKind())
register(ElasticEmailKind())


def kinds() -> tuple[ServerKind, ...]:
    """Return every kind there is, in the order the screen offers them."""
    return tuple(_KINDS.values())


def kind_of(kind: Kind | str) -> ServerKind:
    """Return what is known of a kind; a record of one that nobody registered is shown all the same."""
    found = _KINDS.get(Kind(kind))
    return found or UnknownKind(Kind(kind))


class _Labels(Mapping[Kind, str]):
    """Kind → its name on the screen, of the kinds there are at the time of asking."""

    def __getitem__(self, kind: Kind) -> str:
        return _KINDS[kind].label

    def __iter__(self) -> Iterator[Kind]:
        return iter(tuple(_KINDS))

    def __len__(self) -> int:
        return len(_KINDS)


KIND_LABELS: Mapping[Kind, str] = _Labels()


def step_label(name: str) -> str:
    """Return what a step of a check or a send is called; its own name where nobody named it."""
    return next((kind.steps[name] for kind in kinds() if name in kind.steps), name)


def connection_for(
    record: Record, secret: SecretStr | None, settings: Settings, token: TokenSource | None = None
) -> Connection:
    """Return what a transport needs to reach the server of a record, stored or cleaned and not stored yet.

    Args:
        token: where the record logs in by OAuth2, what gives the token.
    """
    from mailcore.transports.base import Connection

    return Connection(
        kind=record.kind,
        host=record.host,
        port=int(record.port or 0),
        security=record.security,
        verify_certificate=record.verify_certificate,
        ca_pem=record.ca_pem,
        username=record.username,
        secret=secret,
        token=token,
        from_address=record.from_address,
        base_url=kind_of(record.kind).base_url(settings),
        ehlo_name=settings.ehlo_name,
    )


def transport_for(connection: Connection) -> Transport:
    """Return the transport that speaks to this server; nobody is contacted yet.

    Raises:
        ConfigurationError: the connection cannot be used as it stands (an Elastic Email address
            without encryption, say), or nobody knows its kind.
    """
    return kind_of(connection.kind).transport()(connection)
