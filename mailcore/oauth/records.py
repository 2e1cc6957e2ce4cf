"""What a record keeps of its authorisation, and how it is given up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailcore.vocabulary import OAuthState

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from mailcore.secrets.store import SecretStore
    from mailcore.storage.tables import MailServer


def forget_authorization(session: Session, secrets: SecretStore, server: MailServer) -> list[str]:
    """Within a transaction: make it a record that nobody authorised; return what to drop after it."""
    lost = [server.oauth_ref] if server.oauth_ref else []
    for ref in lost:
        secrets.release(session, ref)
    server.oauth_ref, server.oauth_state = None, OAuthState.NONE
    server.oauth_user, server.oauth_at, server.oauth_code, server.oauth_renewed_at = "", None, "", None
    return lost
