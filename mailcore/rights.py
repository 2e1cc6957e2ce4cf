"""Roles, the rights each has, and what both are called on the screen."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """What a person is here for."""

    ADMINISTRATOR = "admin"
    SUPPORT = "support"
    ANALYST = "analyst"


class Right(StrEnum):
    """What a person may do."""

    SEE = "see"
    """Look at servers, quotas, the ledger, explanations and help; export what holds no secret."""
    OPERATE = "operate"
    """Register, change, duplicate, test, send, lift a hold, enter use made elsewhere."""
    DELETE_OR_BULK = "delete_or_bulk"
    """Delete, import, start a batch: what changes much at once, or for good."""
    ADMINISTER = "administer"
    """Users, roles, sessions, OAuth applications, keys, and settings on the screen."""


ROLE_LABELS = {
    Role.ADMINISTRATOR: "Administrador",
    Role.SUPPORT: "Suporte",
    Role.ANALYST: "Analista",
}

_RIGHTS = {
    Role.ADMINISTRATOR: frozenset(Right),
    Role.SUPPORT: frozenset({Right.SEE, Right.OPERATE, Right.DELETE_OR_BULK}),
    Role.ANALYST: frozenset({Right.SEE}),
}


def rights_of(role: Role) -> frozenset[Right]:
    """Return what a role may do."""
    return _RIGHTS[role]


def roles_with(right: Right) -> list[Role]:
    """Return the roles that have a right."""
    return [role for role in Role if right in _RIGHTS[role]]
