"""How a program that sends its own mail keeps within the quota: reserve, send, settle.

    python examples/erp.py SERVER_ID RECIPIENT INVOICE

The program's own sending stands in ``send_by_your_own_means``; everything else can be pasted as it is.
"""

from __future__ import annotations

import smtplib
import socket
import sys
from email.message import EmailMessage

import mailcore
from mailcore.storage.tables import MailServer
from mailcore.vocabulary import Security, SendStatus


def main(server_id: int, recipient: str, invoice: str) -> int:
    """Send one message within the quota; return 0 if the server took it."""
    core = mailcore.open_mailcore()
    server = core.servers.get(server_id)
    # One key for one message: whoever comes second with it, in another worker or another run, must not send.
    row = core.reserve(server, [recipient], idempotency_key=f"nota-{invoice}")
    if row.status is not SendStatus.STARTED:
        print(f"Não enviada: {row.status}. Cabe em: {row.frees_at}")
        return 3
    try:
        password = core.servers.secret(server)
        reply = send_by_your_own_means(server, password.get_secret_value() if password else "", recipient)
    except smtplib.SMTPResponseException as refusal:
        words = f"{refusal.smtp_code} {refusal.smtp_error!r}"
        phase = "auth" if isinstance(refusal, smtplib.SMTPAuthenticationError) else "data"
        core.settle(row, SendStatus.REFUSED, reply=words, phase=phase)
        return 4
    except smtplib.SMTPRecipientsRefused as refusal:
        code, text = next(iter(refusal.recipients.values()))
        core.settle(row, SendStatus.REFUSED, reply=f"{code} {text!r}", phase="rcpt")
        return 4
    except (ConnectionRefusedError, socket.gaierror):  # nobody was reached
        core.settle(row, SendStatus.FAILED)
        return 4
    except OSError:  # the connection broke: nobody knows whether the message was taken
        core.settle(row, SendStatus.UNCERTAIN)
        return 5
    core.settle(row, SendStatus.ACCEPTED, reply=reply)
    return 0


def send_by_your_own_means(server: MailServer, password: str, recipient: str) -> str:
    """Stand-in for the program's own code."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = server.from_address, recipient, "Nota fiscal"
    message.set_content("Segue a nota.")
    direct = server.security is Security.SSL_TLS
    with (smtplib.SMTP_SSL if direct else smtplib.SMTP)(server.host, server.port or 587, timeout=30) as smtp:
        if server.security is Security.STARTTLS:
            smtp.starttls()
        if server.username:
            smtp.login(server.username, password)
        smtp.send_message(message)
    return "250"


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2], sys.argv[3]))
