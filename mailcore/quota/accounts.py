"""What a provider counts by: the account, known by its key.

Records with the same login at the same host, or with the same Elastic Email key, share one account and so its
quota. Ports do not matter: 465 and 587 lead to the same one.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING
from uuid import uuid4

from mailcore.catalog import for_host
from mailcore.messages.addresses import same_mailbox_key

if TYPE_CHECKING:
    from pydantic import SecretStr

ELASTIC = "elastic_email:"
UNKNOWN = f"{ELASTIC}?"
"""How the key of an Elastic Email account begins that nobody has looked at yet: no other record shares it."""


def smtp_account(host: str, username: str, from_address: str) -> str:
    """Return the key of the account a record uses.

    Spellings that a provider takes for one login are one: case, and, where the user name is the part before the
    @ (UOL, BOL), the domain. A server without login counts by sender, as far as anybody can tell.
    """
    if not username:
        return f"smtp:{host}/-/{same_mailbox_key(from_address)}"
    provider = for_host(host)
    login = same_mailbox_key(username) if "@" in username else username.casefold()
    if provider is not None and provider.user_form == "local_part":
        login = login.partition("@")[0]
    return f"smtp:{host}/{login}"


def elastic_account(secret: SecretStr, pepper: str) -> str:
    """Return the key of the account that an API key opens: a keyed digest, from which nobody gets the API key.

    Args:
        pepper: random text of this installation (RFC 2104 calls it the key).
    """
    digest = hmac.digest(pepper.encode(), secret.get_secret_value().encode(), hashlib.sha256)
    return f"{ELASTIC}{digest[:16].hex()}"


def unknown_elastic_account() -> str:
    """Return a key that no other record has, for a record without an API key."""
    return f"{UNKNOWN}{uuid4().hex}"
