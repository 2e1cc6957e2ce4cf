"""Which provider a domain, an MX host or a submission host belongs to.

Names match whole or at a dot, never in the middle of a label: ``mail.com`` is not ``hotmail.com``.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from mailcore.catalog.data import Provider, providers
from mailcore.messages.addresses import parse_host

if TYPE_CHECKING:
    from collections.abc import Sequence

_LABELS = r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*"


def for_domain(domain: str) -> Provider | None:
    """Return the provider of an address domain ("gmail.com"), or None where it is nobody's for certain."""
    name = canonical(domain)
    return _by_domain().get(name) or _by_domain().get(f"*.{name.partition('.')[2]}")


def for_mx(hosts: Sequence[str]) -> Provider | None:
    """Return the provider that receives mail at one of these MX hosts, the first that is known."""
    match = mx_match(hosts)
    return match[0] if match else None


def for_host(host: str) -> Provider | None:
    """Return the provider whose submission server this is, in any region, or None.

    Where plans share a host it is the first of them in the file, the one with the smallest limit.
    """
    wanted = canonical(host)
    exact = _by_host().get(wanted)
    if exact is not None or not wanted:
        return exact
    return next((provider for pattern, provider in _host_patterns() if pattern.fullmatch(wanted)), None)


def provider_id(host: str) -> str:
    """Return the id of :func:`for_host`, or "" where the host is nobody's we know."""
    provider = for_host(host)
    return provider.id if provider else ""


def mx_match(hosts: Sequence[str]) -> tuple[Provider, str] | None:
    """Return the provider of :func:`for_mx` and the suffix that told it."""
    for host in hosts:
        labels = canonical(host).split(".")
        for start in range(len(labels)):  # the longest suffix first
            suffix = ".".join(labels[start:])
            provider = _by_mx_suffix().get(suffix)
            if provider is not None:
                return provider, suffix
    return None


def sharing_host(provider: Provider) -> list[Provider]:
    """Return the plans that use this provider's host, itself among them."""
    return [other for other in providers() if other.host and other.host == provider.host]


def canonical(name: str) -> str:
    """Return a domain or host in lower-case A-labels without the final dot; "" where it is none."""
    try:
        return parse_host(name).host
    except ValueError:
        return ""


@cache
def _by_domain() -> dict[str, Provider]:
    return {domain: provider for provider in providers() for domain in provider.domains}


@cache
def _by_mx_suffix() -> dict[str, Provider]:
    return {suffix: provider for provider in providers() for suffix in provider.mx_suffixes}


@cache
def _by_host() -> dict[str, Provider]:
    found: dict[str, Provider] = {}
    for provider in providers():
        if provider.host:
            found.setdefault(provider.host, provider)
    for provider in providers():
        for host in provider.other_hosts:
            if "*" not in host:
                found.setdefault(host, provider)
    return found


@cache
def _host_patterns() -> tuple[tuple[re.Pattern[str], Provider], ...]:
    return tuple(
        (re.compile(re.escape(host).replace(r"\*", _LABELS)), provider)
        for provider in providers()
        for host in provider.other_hosts
        if "*" in host
    )
