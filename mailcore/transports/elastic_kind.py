"""Elastic Email, as a kind of server: its words, its address, what it can tell."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mailcore.transports.kind import ApiKeyKind, Record
from mailcore.vocabulary import Kind

if TYPE_CHECKING:
    from mailcore.settings import Settings
    from mailcore.transports.base import Transport


class ElasticEmailKind(ApiKeyKind):
    """An account of the paid service, known by its API key."""

    id = Kind.ELASTIC_EMAIL
    label = "Elastic Email"
    starts_paid = True
    can_follow = True
    has_figures = True
    error_form = re.compile(r"[\"'][Ee]rror[\"']\s{0,3}:\s{0,3}\"((?:[^\"\\]|\\.){2,500})\"")

    def transport(self) -> type[Transport]:
        """Return the client of its API."""
        from mailcore.transports.elastic_email import ElasticEmailTransport

        return ElasticEmailTransport

    def base_url(self, settings: Settings) -> str:
        """Return the root above /v2 and /v4."""
        return settings.elastic_email_url

    def code_of_status(self, status: int) -> str | None:
        """Return what a status says; 412 is its word for a plan that is used up."""
        return "quota_plan" if status == 412 else super().code_of_status(status)

    def shown_host(self, record: Record) -> str:
        """Return whose interface it is."""
        return "API da Elastic Email"
