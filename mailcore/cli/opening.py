"""Opening the installation for one command."""

from __future__ import annotations

from typing import TYPE_CHECKING

import mailcore
from mailcore.cli.output import say

if TYPE_CHECKING:
    from argparse import Namespace


def open_mailcore(args: Namespace, *, fills: bool = False) -> mailcore.Mailcore:
    """Open it; where there is nothing in it and a person reads, say which database that is, for another may be meant.

    A script (``--json``) sees the empty document, and ``doctor`` tells it the rest.

    Args:
        fills: the command puts something into it, and says itself where that went.

    Raises:
        MailcoreError: see :func:`mailcore.open_mailcore`.
    """
    core = mailcore.open_mailcore()
    if not args.json and not fills and core.servers.is_empty():
        where = core.database.shown_address
        say(f"Banco novo e vazio em {where}." if core.is_new else f"O banco em {where} não tem nenhum servidor.")
    return core
