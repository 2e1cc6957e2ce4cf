"""What a secret is for: when a record needs one, and when a stored one may not be used any more (invariant 2)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mailcore.errors import FieldError, ValidationError
from mailcore.registry.drafts import Cleaned, ServerDraft, check_secret, clean, invisible_in, secret_label
from mailcore.registry.fields import LABELS, SECRET_BOUND
from mailcore.transports import kind_of
from mailcore.vocabulary import Auth, OAuthState

if TYPE_CHECKING:
    from pydantic import SecretStr

    from mailcore.storage.tables import MailServer


def draft_logs_in(draft: ServerDraft) -> bool:
    """Return whether a record as typed logs in."""
    return draft.requires_auth or kind_of(draft.kind).always_logs_in


def draft_needs_secret(draft: ServerDraft) -> bool:
    """Return whether a record as typed logs in with a password or key, and so not with a token."""
    return draft_logs_in(draft) and draft.auth is not Auth.OAUTH2


def authorization_lost(stored: MailServer, draft: ServerDraft) -> bool:
    """Return whether a change takes a record's authorisation away: it was given for these values."""
    bound = ("auth", "oauth_app_id", "host", "username")
    return stored.oauth_state is not OAuthState.NONE and any(
        getattr(stored, name) != getattr(draft, name) for name in bound
    )


def clean_with_secret(draft: ServerDraft, secret: SecretStr | None, *, needed: bool = False) -> Cleaned:
    """Clean the draft and look at the secret too, so that one press shows every complaint.

    Raises:
        ValidationError: a field cannot be stored as typed, or the secret cannot be used or is ``needed`` and missing.
    """
    errors: list[FieldError] = []
    cleaned = None
    try:
        cleaned = clean(draft)
    except ValidationError as error:
        errors += error.errors
    label = secret_label(draft.kind)
    if secret is not None:
        try:
            check_secret(secret, label)
        except ValidationError as error:
            errors += error.errors
    elif needed and draft.auth is not Auth.OAUTH2:
        hint = f" Se o servidor não pede login, desmarque {LABELS['requires_auth']}."
        hint = "" if kind_of(draft.kind).always_logs_in else hint
        errors.append(FieldError("secret", f"{label}: preencha este campo.{hint}"))
    if errors or cleaned is None:
        raise ValidationError(errors)
    if secret is not None and (where := invisible_in(secret)):
        note = (
            f"{label}: há {where}. Foi guardado como está, porque pode ser de propósito; se o login for recusado, "
            "apague o campo e digite de novo em vez de colar."
        )
        cleaned = replace(cleaned, notes=[*cleaned.notes, note])
    return cleaned


def moved(opened: MailServer, draft: ServerDraft) -> list[str]:
    """Return the fields a secret is bound to whose value is no longer the one it was stored for."""
    return [name for name in SECRET_BOUND if getattr(opened, name) != getattr(draft, name)]


def refuse_moved(opened: MailServer, draft: ServerDraft) -> None:
    """Refuse to use a stored secret with other values than those it was stored for.

    Raises:
        ValidationError: the secret must be typed again.
    """
    if not opened.secret_ref or not (names := moved(opened, draft)):
        return
    what = ", ".join(LABELS[name] for name in names)
    raise ValidationError(
        [
            FieldError(
                "secret",
                f"{secret_label(draft.kind)}: digite de novo, porque você mudou {what}. "
                "A senha guardada nunca vai para outro servidor.",
            )
        ]
    )
