"""Origin = destination: a message whose sender is among its own recipients.

Free accounts that mail themselves tend to be blocked, so each record says what to do about it. No
provider publishes such a rule; it is the experience of support teams, hence a policy and not a law.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailcore.messages.addresses import same_mailbox_key

if TYPE_CHECKING:
    from mailcore.messages.compose import OutgoingMessage
    from mailcore.storage.tables import MailServer


def own_recipients(server: MailServer, message: OutgoingMessage) -> list[str]:
    """Return the recipients that are the sender, the envelope sender or the login under any spelling."""
    origins = {
        same_mailbox_key(address)
        for address in (server.from_address, message.envelope_from, server.username)
        if "@" in address
    }
    return [address for address in message.recipients if same_mailbox_key(address) in origins]
