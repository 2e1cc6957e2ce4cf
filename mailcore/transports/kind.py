"""What a kind of server says of itself, so that nobody else asks which kind it is.

Describing a kind loads no network library: lists, forms and ``--help`` describe kinds all the time and send
nothing. The class that speaks to a server is loaded by :meth:`ServerKind.transport`.
``ADDING_A_TRANSPORT.md`` says how to write one.
"""

from __future__ import annotations

import hashlib
import hmac
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Protocol
from uuid import uuid4

from mailcore.errors import ConfigurationError
from mailcore.vocabulary import Kind

if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Mapping

    from pydantic import SecretStr

    from mailcore.settings import Settings
    from mailcore.transports.base import Transport
    from mailcore.vocabulary import Security


class Record(Protocol):
    """What a kind may read of a registered server, or of a cleaned draft of one."""

    @property
    def kind(self) -> Kind: ...
    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int | str | None: ...
    @property
    def security(self) -> Security: ...
    @property
    def verify_certificate(self) -> bool: ...
    @property
    def ca_pem(self) -> str: ...
    @property
    def username(self) -> str: ...
    @property
    def from_address(self) -> str: ...


class Typed(Protocol):
    """What a person typed for a record, and where complaints about it go."""

    def value(self, name: str) -> Any:
        """Return a field as it was typed."""

    def cleaned(self, name: str, *, needed: bool | None = None) -> Any:
        """Return a field as its row of the table of fields wants it; complain of what it does not take."""

    def error(self, name: str, sentence: str) -> None:
        """Complain of a field: the record is not stored."""

    def note(self, name: str, sentence: str) -> None:
        """Say that a field was changed on the way."""

    def number(self, name: str, text: str) -> int | None:
        """Return a whole number within the bounds of its row; complain of anything else."""


class ServerKind(ABC):
    """One kind of server. What most kinds share is here; a kind changes what is different with it."""

    id: ClassVar[Kind]
    """What the database, files and the command line call it; it never changes."""
    label: ClassVar[str]
    secret_label: ClassVar[str] = "Senha"  # noqa: S105
    secret_help: ClassVar[str] = "secret"  # noqa: S105
    """The paragraph of the help about its secret, and the name of the widget."""
    fields: ClassVar[tuple[str, ...]] = ()
    """Which of the fields of a connection it has (``of_connection`` in ``registry/fields.py``)."""
    steps: ClassVar[Mapping[str, str]] = {}
    """Each step of a check or a send → its label. A name that two kinds use means the same."""

    starts_paid: ClassVar[bool] = False
    """A form for a new account of it starts as a paid one."""
    can_follow: ClassVar[bool] = False
    """It can be asked what became of a message it took: :meth:`Transport.delivery`."""
    has_figures: ClassVar[bool] = False
    """It tells limit and use of its accounts: :meth:`Transport.account_data` and ``statistics``."""
    asks_recipient: ClassVar[bool] = False
    """A check can ask for a recipient too."""
    has_doors: ClassVar[bool] = False
    """Where a check fails, other ports, modes and user names are worth a try (``health/probing.py``)."""
    error_form: ClassVar[re.Pattern[str] | None] = None
    """How it words an error in what people paste; group 1 is the sentence. None where it has no form of its own."""

    @property
    def always_logs_in(self) -> bool:
        """Whether there is no server of this kind without a secret."""
        return "requires_auth" not in self.fields

    @abstractmethod
    def transport(self) -> type[Transport]:
        """Return the class that speaks to it. Import it here, so that nobody else loads its libraries."""

    def base_url(self, settings: Settings) -> str:
        """Return the root of its interface, where it has one for all accounts."""
        return ""

    def clean(self, typed: Typed) -> dict[str, Any]:
        """Return :attr:`fields` as they are stored; complain of what cannot be."""
        return {name: typed.cleaned(name) for name in self.fields}

    @abstractmethod
    def account(self, record: Record, secret: SecretStr | None, current: str, pepper: Callable[[], str]) -> str:
        """Return the key of the account that a record uses: what the provider counts by.

        Args:
            secret: a new one, or None where it stays or there is none.
            current: the key of before; empty for a new record.
            pepper: gives random text of this installation, for a digest that says nothing of the secret.
        """

    def is_unknown_account(self, account: str) -> bool:
        """Whether a key only stands for one that nobody could work out yet."""
        return False

    def code_of_status(self, status: int) -> str | None:
        """Return the diagnosis of a status its servers answer with; None leaves it to the rules of SMTP."""
        return None

    def shown_host(self, record: Record) -> str:
        """Return what the list shows as its server."""
        return record.host

    def shown_security(self, record: Record) -> str:
        """Return what the list shows as its encryption."""
        return "HTTPS"


class ApiKeyKind(ServerKind):
    """A service behind an HTTP interface, whose account is known by its key."""

    secret_label = "Chave da API"  # noqa: S105
    secret_help = "api_key"  # noqa: S105
    steps: ClassVar[Mapping[str, str]] = {
        "http": "Conexão com o serviço",
        "account": "Conta",
        "domain": "Domínio do remetente",
        "message": "Entrega da mensagem",
    }

    def account(self, record: Record, secret: SecretStr | None, current: str, pepper: Callable[[], str]) -> str:
        """Return a keyed digest of the key (RFC 2104), from which nobody gets the key itself.

        Without a new key it stays the one of before; a record that never had one shares its account with nobody.
        """
        if secret is not None:
            digest = hmac.digest(pepper().encode(), secret.get_secret_value().encode(), hashlib.sha256)
            return f"{self.id}:{digest[:16].hex()}"
        return current if current.startswith(f"{self.id}:") else f"{self._unknown}{uuid4().hex}"

    def is_unknown_account(self, account: str) -> bool:
        """Whether nobody has seen the key of this account."""
        return account.startswith(self._unknown)

    @property
    def _unknown(self) -> str:
        return f"{self.id}:?"

    def code_of_status(self, status: int) -> str | None:
        """Return what an HTTP status says (RFC 9110 §15)."""
        if status in (401, 407):
            return "api_key"
        if status >= 500:
            return "service_trouble"
        known = {402: "quota_plan", 403: "api_access", 413: "too_many_recipients", 429: "throttled"}
        return known.get(status, "service_refused")

    def shown_host(self, record: Record) -> str:
        """Return whose interface it is."""
        return f"API {self.label}"


class UnknownKind(ServerKind):
    """A kind this version of the program does not know: its records are shown, and nothing is done with them."""

    def __init__(self, kind: Kind) -> None:
        self.id = kind  # type: ignore[misc]
        self.label = str(kind)  # type: ignore[misc]

    def transport(self) -> type[Transport]:
        """Refuse.

        Raises:
            ConfigurationError: always.
        """
        raise ConfigurationError(self._sentence[0].upper() + self._sentence[1:])

    def clean(self, typed: Typed) -> dict[str, Any]:
        """Complain: nothing is known of what such a server needs."""
        typed.error("kind", self._sentence)
        return {}

    def account(self, record: Record, secret: SecretStr | None, current: str, pepper: Callable[[], str]) -> str:
        """Leave it as it is."""
        return current

    @property
    def _sentence(self) -> str:
        return f"esta versão do programa não conhece o tipo de envio “{self.id}”. Atualize o programa."
