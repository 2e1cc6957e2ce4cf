"""The providers whose OAuth2 this program speaks, as data: addresses, rights to ask for, hosts a token may go to."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from mailcore.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """One provider; see ``providers.toml`` for the sources."""

    id: str
    label: str
    """What the screen calls the form of login."""
    authorize: str
    token: str
    device: str
    """Empty where it gives no mail rights to a device code."""
    scope: str
    must_grant: str
    """The right that has to be among those granted: some providers let a person untick it."""
    application_scope: str
    default_tenant: str
    authorize_extras: dict[str, str] = field(default_factory=dict)
    hosts: tuple[str, ...] = ()
    """Its SMTP servers."""

    def url(self, which: str, tenant: str, settings: Settings) -> str:
        """Return the address of ``authorize``, ``token`` or ``device`` for a tenant."""
        pattern: str = getattr(self, which)
        return pattern.format(
            login=settings.microsoft_login_url,
            google_auth=settings.google_auth_url,
            google_token=settings.google_token_url,
            tenant=quote(tenant or self.default_tenant, safe=""),
        )


@cache
def providers() -> dict[str, Provider]:
    """Return every provider by its id, in the order the screen offers them."""
    rows = tomllib.loads(files("mailcore.oauth").joinpath("providers.toml").read_text("utf-8"))
    return {name: Provider(id=name, **{**row, "hosts": tuple(row["hosts"])}) for name, row in rows.items()}
