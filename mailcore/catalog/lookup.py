"""What a form can be filled with, from an address or a host alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from mailcore.catalog.advice import password_advice, warnings
from mailcore.catalog.data import Provider, providers
from mailcore.catalog.index import canonical, for_domain, for_host, for_mx, mx_match, sharing_host
from mailcore.catalog.mx import mx_hosts
from mailcore.messages.addresses import parse_address, split_addresses

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["ProviderSuggestion", "for_domain", "for_host", "for_mx", "password_login_ends", "suggest"]


@dataclass(frozen=True, slots=True)
class ProviderSuggestion:
    """The settings of the provider an address or a host belongs to. What nobody published is None or empty."""

    provider_id: str
    provider_name: str
    kind: str
    """``free``, ``paid``, ``hosting`` or ``esp`` (a sending service)."""
    found_by: str
    """``domain`` of the address, ``mx`` (who receives its mail) or ``host``."""
    host: str
    """Empty where it cannot be known; then so are port and security."""
    port: int | None
    security: str
    """``ssl_tls`` or ``starttls``."""
    alternatives: tuple[tuple[int, str], ...]
    """Other (port, security) of the same host."""
    username: str
    """What to type as the user name; empty where it is not to be had from the address."""
    is_paid: bool | None
    """None where a host serves both, or a free provider receives the mail of somebody's own domain."""
    daily_limit: int | None
    limit_unit: str
    """``recipients`` or ``messages``."""
    limit_window: str
    """``rolling_24h`` or ``calendar_day``."""
    window_zone: str
    """The time zone of a ``calendar_day``."""
    hourly_limit: int | None
    per_minute: int | None
    per_message: int | None
    """Recipients of one message."""
    auth: tuple[str, ...]
    """``password``, ``app_password``, ``api_key``, ``oauth2``."""
    password_login: str
    """``works``, ``app_password``, ``retired``, ``ends`` or empty; see :class:`mailcore.catalog.Provider`."""
    password_ends_on: date | None
    password_advice: str
    """The one of the warnings that is about which password to use, or empty."""
    warnings: tuple[str, ...]
    """Portuguese sentences on what will fail or needs care, the gravest first."""
    source: str
    """Where the limit was read."""
    read_on: date
    confidence: str
    """Of the limit: ``official``, ``secondary`` or ``unverified``."""


def suggest(
    text: str, *, mx: Callable[[str], Sequence[str]] = mx_hosts, today: date | None = None
) -> ProviderSuggestion | None:
    """Return the settings for an address, a domain or a host as somebody typed it, or None where it is unknown.

    The domain is looked up first, then the host, and only what is neither is asked of the DNS. What cannot be
    read, and several addresses, are unknown too.

    Args:
        mx: returns the MX hosts of a domain; one that returns nothing keeps the look-up off the network.
        today: for warnings of what ends on a date.
    """
    address, domain = _read(text)
    if not domain:
        return None
    today = today or datetime.now(UTC).date()
    provider = for_domain(domain)
    if provider is not None:
        return _suggestion(provider, "domain", provider.host, address, domain, today)
    provider = None if address else for_host(domain)
    if provider is not None:
        return _suggestion(provider, "host", domain if provider.host else "", "", "", today)
    match = mx_match(mx(domain))
    if match is None:
        return None
    provider, suffix = match
    return _suggestion(provider, "mx", _host_in_region(provider, suffix), address, domain, today)


def password_login_ends() -> dict[str, date]:
    """Return every host whose password login is over or ends by default, and when (maybe in the past)."""
    return {
        host: provider.password_ends_on
        for provider in providers()
        if provider.password_ends_on is not None
        for host in (provider.host, *provider.other_hosts)
        if host and "*" not in host
    }


def _read(text: str) -> tuple[str, str]:
    """Return (address, domain), or ("", host) where no address stands there; both empty for what is neither."""
    pieces = split_addresses(text)
    if len(pieces) != 1:
        return "", ""
    try:
        address = parse_address(pieces[0])
    except ValueError:
        return "", canonical(pieces[0])
    return address, address.rpartition("@")[2]


def _suggestion(
    provider: Provider, found_by: str, host: str, address: str, domain: str, today: date
) -> ProviderSuggestion:
    # Somebody's own domain, or a mere host, does not tell the plans of a host apart.
    sharing = sharing_host(provider) if found_by == "host" else []
    return ProviderSuggestion(
        provider_id=provider.id,
        provider_name=provider.name,
        kind=provider.kind,
        found_by=found_by,
        host=host,
        port=provider.port,
        security=provider.security,
        alternatives=((provider.alt_port, provider.alt_security),) if provider.alt_port is not None else (),
        username=_username(provider, address),
        is_paid=_is_paid(provider, found_by, sharing),
        daily_limit=provider.daily_limit,
        limit_unit=provider.limit_unit,
        limit_window=provider.window,
        window_zone=provider.window_zone,
        hourly_limit=provider.hourly,
        per_minute=provider.per_minute,
        per_message=provider.recipients_per_message,
        auth=provider.auth,
        password_login=provider.password_login,
        password_ends_on=provider.password_ends_on,
        password_advice=password_advice(provider, today),
        warnings=warnings(provider, domain=domain if address else "", sharing=sharing, today=today),
        source=provider.source,
        read_on=provider.read_on,
        confidence=provider.confidence,
    )


def _username(provider: Provider, address: str) -> str:
    if provider.user_form == "address":
        return address
    if provider.user_form == "local_part":
        return address.rpartition("@")[0]
    return "" if provider.user_form == "panel" else provider.user_form


def _is_paid(provider: Provider, found_by: str, sharing: list[Provider]) -> bool | None:
    paid = provider.kind != "free"
    if any((other.kind != "free") != paid for other in sharing):
        return None
    return None if found_by == "mx" and not paid else paid


def _host_in_region(provider: Provider, mx_suffix: str) -> str:
    """Return the submission host that stands in the same domain as the MX: mail at zoho.eu leaves by smtp.zoho.eu."""
    hosts = (provider.host, *provider.other_hosts)
    return next((host for host in hosts if host.endswith(f".{mx_suffix}")), provider.host)
