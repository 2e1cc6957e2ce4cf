"""Outgoing e-mail servers: register them, prove that they work, send through them.

>>> import mailcore
>>> core = mailcore.open_mailcore()        # settings from the environment, see the README
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mailcore.installation import Mailcore, open_mailcore

__all__ = ["Mailcore", "open_mailcore"]


def __getattr__(name: str) -> object:
    # Loaded when first used, so that importing one small module does not load the database.
    if name in __all__:
        from mailcore import installation as library

        return getattr(library, name)
    raise AttributeError(name)
