"""Settings, from the environment: every name begins with ``MAILCORE_``.

Streamlit also puts the root keys of ``.streamlit/secrets.toml`` into the environment, so they may
stand there as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from mailcore.arguments import NOT_TEXT
from mailcore.errors import ConfigurationError
from mailcore.rights import Role
from mailcore.text import is_text


def default_data_dir() -> Path:
    """Return where the data is kept when no setting says it, whatever folder one stands in.

    That is ``data`` in the checkout that this library runs from; for an installed library, the folder that the
    operating system gives each user for a program's data.
    """
    checkout = Path(__file__).resolve().parents[1]
    if (checkout / "app.py").is_file() and (checkout / "pyproject.toml").is_file():
        return checkout / "data"
    from platformdirs import user_data_path

    return user_data_path("mailcore", appauthor=False)


class KeyringChoice(StrEnum):
    """Where new secrets are kept."""

    AUTO = "auto"
    """The desktop's keyring where there is one, else ours in the database."""
    OS = "os"
    DATABASE = "database"


class Door(StrEnum):
    """The ways in."""

    NONE = "none"
    """Whoever sits at this computer; only while nothing but loopback is listened on."""
    ACCOUNTS = "accounts"
    """E-mail and password, kept here."""
    OIDC = "oidc"
    """OpenID Connect: an identity provider of the company's (``[auth]`` in ``.streamlit/secrets.toml``)."""
    PROXY = "proxy"
    """A proxy in front that signs people in and names them in a header."""


_AUTO = "auto"
_LEAST_PROXY_SECRET = 16


class Settings(BaseSettings):
    """What can be set from outside; every default works with no set-up on one machine."""

    model_config = SettingsConfigDict(env_prefix="MAILCORE_", env_ignore_empty=True, frozen=True)

    database_url: str = ""
    """SQLAlchemy URL; empty means the SQLite file ``mailcore.db`` in ``data_dir``."""
    data_dir: Path = Field(default_factory=default_data_dir)
    """Folder of the SQLite file, its copies and the key of the database keyring."""
    keyring: KeyringChoice = KeyringChoice.AUTO
    secret_keys: SecretStr = SecretStr("")
    """Fernet keys separated by commas: the first encrypts, all decrypt. Empty: the data folder's file."""
    elastic_email_url: str = "https://api.elasticemail.com"
    """Root above ``/v2`` and ``/v4``; plain http only for this machine."""
    microsoft_login_url: str = "https://login.microsoftonline.com"
    """Root above ``/TENANT/oauth2/v2.0/…``; plain http only for this machine, as for the two below."""
    google_auth_url: str = "https://accounts.google.com/o/oauth2/v2/auth"
    """Google's page of consent, the whole address."""
    google_token_url: str = "https://oauth2.googleapis.com/token"  # noqa: S105
    """Where Google gives tokens, the whole address."""
    public_url: str = ""
    """The address people open this program by, where a proxy stands in front: ``https://correio.exemplo.com.br``, with
    its path where it has one. The return address of OAuth2 and those for unsubscribing are made from it, never from a
    request's header."""
    ehlo_name: str = ""
    """What this program calls itself before mail servers (EHLO). Empty: this machine's full name, else its address."""
    timezone: str = "America/Sao_Paulo"
    retention_days: int = Field(default=400, ge=0, le=36_500)
    """How long the ledger keeps a send; 0 keeps all. Never less than 2, for quotas count the last 24 hours."""

    limit_margin_percent: int = Field(default=0, ge=0, le=90)
    """How much of every account's limit is left unused: providers count later than we do, and not only us."""

    worker_threads: int = Field(default=4, ge=0, le=100)
    """Connections by which the app itself sends batches; 0 leaves that to ``python -m mailcore worker``."""

    login: str = _AUTO
    """The doors that stand open (:class:`Door`), separated by commas; ``auto``: none on loopback while no user is
    registered, accounts otherwise."""
    oidc_domains: str = ""
    """Who has an address of these domains (separated by commas) enters by OpenID Connect unregistered."""
    oidc_role: Role = Role.ANALYST
    """The role of those."""
    oidc_trust_email: bool = False
    """Let in where the provider never says whether it verified the address (Microsoft Entra)."""
    proxy_secret: SecretStr = SecretStr("")
    """What the proxy in front sends in the header X-Mailcore-Proxy; without it no header of a proxy is believed."""
    proxy_user_header: str = "X-Forwarded-Email"
    """The proxy's header that names the person."""
    proxy_addresses: str = "127.0.0.1, ::1"
    """Where the proxy's requests come from: addresses or networks, separated by commas."""

    @field_validator("*", mode="before")
    @classmethod
    def _is_text(cls, value: object, about: ValidationInfo) -> object:
        # A folder may have any name.
        if isinstance(value, str) and about.field_name != "data_dir" and not is_text(value):
            raise ValueError(f"MAILCORE_{str(about.field_name).upper()}: {NOT_TEXT}")
        return value

    @field_validator("login")
    @classmethod
    def _known_doors(cls, text: str) -> str:
        names = _listed(text)
        if names != [_AUTO] and (not names or set(names) - {door.value for door in Door}):
            raise ValueError("MAILCORE_LOGIN: use auto, ou none, accounts, oidc e proxy separados por vírgula.")
        if Door.NONE.value in names and len(names) > 1:
            raise ValueError("MAILCORE_LOGIN: none deixa entrar sem login; use-o sozinho, ou tire-o da lista.")
        return ",".join(names)

    @field_validator("proxy_addresses")
    @classmethod
    def _known_addresses(cls, text: str) -> str:
        try:
            return ",".join(str(ip_network(name, strict=False)) for name in _listed(text))
        except ValueError as error:
            raise ValueError(
                "MAILCORE_PROXY_ADDRESSES: use endereços IP ou redes, como 10.0.0.5 ou 10.0.0.0/24."
            ) from error

    @field_validator("proxy_secret")
    @classmethod
    def _long_enough(cls, secret: SecretStr) -> SecretStr:
        if 0 < len(secret.get_secret_value()) < _LEAST_PROXY_SECRET:
            raise ValueError(f"MAILCORE_PROXY_SECRET: use pelo menos {_LEAST_PROXY_SECRET} caracteres ao acaso.")
        return secret

    @model_validator(mode="after")
    def _proxy_with_a_secret(self) -> Self:
        if Door.PROXY.value in _listed(self.login) and not self.proxy_secret.get_secret_value():
            raise ValueError(
                "MAILCORE_PROXY_SECRET: a porta proxy precisa do segredo que o proxy manda no cabeçalho "
                "X-Mailcore-Proxy; sem ele qualquer um poderia escrever o cabeçalho."
            )
        return self

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"MAILCORE_TIMEZONE: não conheço o fuso horário “{name}”.") from error
        return name

    @field_validator("ehlo_name")
    @classmethod
    def _name_or_address(cls, name: str) -> str:
        if name and not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?|\[[0-9A-Za-z:.]{2,60}\]", name):
            raise ValueError(
                "MAILCORE_EHLO_NAME: use o nome completo desta máquina, como correio.exemplo.com.br, ou o endereço IP "
                "entre colchetes."
            )
        return name

    @field_validator("retention_days")
    @classmethod
    def _longer_than_a_window(cls, days: int) -> int:
        if days == 1:
            raise ValueError("MAILCORE_RETENTION_DAYS: use 0 (guardar tudo) ou pelo menos 2 dias.")
        return days

    @field_validator("microsoft_login_url", "google_auth_url", "google_token_url", "public_url")
    @classmethod
    def _safe_for_tokens(cls, url: str, about: ValidationInfo) -> str:
        parts = urlsplit(url)
        is_safe = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))
        if url and not (parts.hostname and is_safe and not parts.query and not parts.fragment):
            raise ValueError(
                f"MAILCORE_{str(about.field_name).upper()}: use um endereço https:// (http:// só vale para esta "
                "máquina), senão códigos e tokens viajariam legíveis."
            )
        return url.rstrip("/")

    @field_validator("elastic_email_url")
    @classmethod
    def _encrypted_or_local(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme == "https" and parts.hostname:
            return url.rstrip("/")
        if parts.scheme == "http" and is_loopback(parts.hostname or ""):
            return url.rstrip("/")
        raise ValueError(
            "MAILCORE_ELASTIC_EMAIL_URL: use um endereço https:// (http:// só vale para esta máquina), "
            "senão a chave da API viajaria legível."
        )

    @model_validator(mode="after")
    def _default_database(self) -> Self:
        if not self.database_url:
            path = (self.data_dir / "mailcore.db").resolve()
            # In a URL "?" begins the parameters and "%" an escape; in a folder's name they are letters.
            written = str(path).replace("%", "%25").replace("?", "%3F")
            object.__setattr__(self, "database_url", f"sqlite:///{written}")
        elif self.database_url.startswith(("postgres://", "postgresql://")):
            # The names other tools use; the driver here is psycopg 3.
            url = "postgresql+psycopg://" + self.database_url.split("://", 1)[1]
            object.__setattr__(self, "database_url", url)
        return self

    def __repr_args__(self) -> Iterator[tuple[str | None, object]]:
        for name, value in super().__repr_args__():
            # Of a URL with a user or parameters, which may hold a password, only the kind.
            is_url = isinstance(value, str) and "://" in value and ("@" in value or "?" in value)
            yield name, f"{str(value).partition(':')[0]}://***" if is_url else value

    @property
    def doors(self) -> frozenset[Door] | None:
        """The doors asked for, or None for ``auto``."""
        names = _listed(self.login)
        return None if names == [_AUTO] else frozenset(Door(name) for name in names)

    @property
    def domains(self) -> frozenset[str]:
        """The domains whose people enter by OpenID Connect unregistered, in lower case."""
        return frozenset(name.removeprefix("@") for name in _listed(self.oidc_domains))

    @property
    def proxies(self) -> list[IPv4Network | IPv6Network]:
        """Where a proxy's requests come from."""
        return [ip_network(name) for name in _listed(self.proxy_addresses)]

    @property
    def zone(self) -> ZoneInfo:
        """The time zone of the screen and of calendar-day windows."""
        return ZoneInfo(self.timezone)


def load_settings() -> Settings:
    """Read the settings from the environment.

    Raises:
        ConfigurationError: with one sentence for each setting that cannot be used.
    """
    try:
        return Settings()
    except ValidationError as error:
        # pydantic's own message repeats the input, which may be a key: say only which and why.
        sentences = [_sentence(item["loc"], item["msg"]) for item in error.errors(include_input=False)]
        raise ConfigurationError(" ".join(sentences)) from None


def _sentence(location: tuple[int | str, ...], message: str) -> str:
    own = message.removeprefix("Value error, ")
    if own.startswith("MAILCORE_"):
        return own
    name = "MAILCORE_" + "_".join(str(part) for part in location).upper()
    return f"{name}: o valor não serve; veja os valores aceitos no README."


def _listed(text: str) -> list[str]:
    return [name for part in text.split(",") if (name := part.strip().lower())]


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, seen from itself."""
    if host == "localhost":
        return True
    try:
        address = ip_address(host.strip("[]"))
        return (getattr(address, "ipv4_mapped", None) or address).is_loopback
    except ValueError:
        return False
