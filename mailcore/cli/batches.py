"""``batch …``: make, start, stop and look at batches."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from mailcore import labels
from mailcore.actor import computer_user
from mailcore.batches.new_batch import DEFAULT_REFUSAL_SHARE, NewBatch, NewFile
from mailcore.batches.reading import reason_of, shown_status
from mailcore.batches.recipients_file import RecipientsFile
from mailcore.cli import as_text, output
from mailcore.cli.as_json import batch_document, recipient_document
from mailcore.cli.exits import Exit, WrongUseError
from mailcore.cli.log import aware
from mailcore.cli.opening import open_mailcore
from mailcore.labels import inside
from mailcore.registry.document import moment
from mailcore.text import thousands
from mailcore.vocabulary import BatchKind, RecipientStatus

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from mailcore import Mailcore
    from mailcore.registry.document import Document
    from mailcore.storage.tables import Batch, BatchRecipient

_MOST_LISTED = 1_000_000


def create(args: Namespace) -> Exit:
    """Make a batch of a file, and start it unless it is to stay a draft."""
    with closing(open_mailcore(args)) as core:
        new = NewBatch(
            server_id=core.servers.get(args.server).id,
            recipients=RecipientsFile(_read(args.recipients), Path(args.recipients).name),
            email_column=args.email_column,
            subject=args.subject,
            text=_text(args.text_file),
            html=_text(args.html_file),
            kind=BatchKind(args.kind),
            name=args.name,
            starts_at=_starts_at(args, core.settings.zone),
            attachments=_attachments(args),
            file_column=args.attach_column,
            refusal_share=args.refusal_share or DEFAULT_REFUSAL_SHARE,
        )
        batch = core.batches.create(new, start=not args.draft, actor=computer_user())
        _show(args, core, batch)
    return Exit.DONE


def list_batches(args: Namespace) -> Exit:
    """List the batches, newest first."""
    with closing(open_mailcore(args)) as core:
        found = core.batches.find(page_size=_MOST_LISTED).batches
        documents = [_document(core, batch) for batch in found] if args.json else []
        output.show(args, documents, lambda: _table(found))
    return Exit.DONE


def show(args: Namespace) -> Exit:
    """Show one batch."""
    with closing(open_mailcore(args)) as core:
        _show(args, core, core.batches.get(args.id))
    return Exit.DONE


def preview(args: Namespace) -> Exit:
    """Show the message of one row."""
    with closing(open_mailcore(args)) as core:
        to, seen = core.batches.preview(args.id, args.row)
    document = {"subject": seen.subject, "text": seen.text, "html": seen.html or None, "to": to}
    pairs = [("Para", to), ("Assunto", seen.subject)]
    html = f"\n\n{seen.html}" if seen.html else ""
    output.show(args, document, lambda: f"{as_text.named(pairs)}\n\n{seen.text}{html}")
    return Exit.DONE


def act(args: Namespace) -> Exit:
    """Start, pause, resume or cancel a batch, as the command says."""
    with closing(open_mailcore(args)) as core:
        acts = {
            "batch start": core.batches.start,
            "batch pause": core.batches.pause,
            "batch resume": core.batches.resume,
            "batch cancel": core.batches.cancel,
        }
        _show(args, core, acts[args.command](args.id, actor=computer_user()))
    return Exit.DONE


def retry(args: Namespace) -> Exit:
    """Try again those that did not get it."""
    with closing(open_mailcore(args)) as core:
        batch = core.batches.retry(args.id, failed=args.failed, uncertain=args.uncertain, actor=computer_user())
        _show(args, core, batch)
    return Exit.DONE


def recipients(args: Namespace) -> Exit:
    """Show what became of each recipient, by row."""
    with closing(open_mailcore(args)) as core:
        status = RecipientStatus(args.status) if args.status else None
        found = list(core.batches.result(args.id, status=status))
        zone = core.settings.zone
    documents = [recipient_document(each, zone) for each in found] if args.json else []
    output.show(args, documents, lambda: _recipients_table(found, zone))
    return Exit.DONE


def _document(core: Mailcore, batch: Batch) -> Document:
    return batch_document(batch, core.batches.forecast(batch.id), core.settings.zone)


def _show(args: Namespace, core: Mailcore, batch: Batch) -> None:
    document = _document(core, batch)
    output.show(args, document, lambda: _lines(batch, document))
    if (reason := reason_of(batch)) is not None:
        output.say(f"{reason.title} {reason.remedy}")


def _lines(batch: Batch, document: Document) -> str:
    pairs = [
        ("Lote", f"{batch.id} “{batch.name}”"),
        ("Servidor", f"{batch.server_id} {batch.server_name}"),
        ("Estado", labels.BATCH_STATE[batch.state]),
        ("Destinatários", thousands(batch.total)),
        ("Na fila", thousands(batch.pending)),
        ("Aceitas", thousands(batch.sent)),
        ("Recusadas", thousands(batch.refused)),
        ("Não entregues", thousands(batch.failed)),
        ("Incertas", thousands(batch.uncertain)),
        ("Suprimidas", thousands(batch.suppressed)),
        *(("Previsão", f"{thousands(each['units'])} em {each['at']}") for each in document["forecast"]),
    ]
    return as_text.named(pairs)


def _table(batches: Sequence[Batch]) -> str:
    if not batches:
        return "Nenhum lote."
    rows = [["ID", "Nome", "Servidor", "Estado", "Total", "Na fila", "Aceitas", "Recusadas", "Falhas", "Incertas"]]
    for batch in batches:
        figures = (batch.total, batch.pending, batch.sent, batch.refused, batch.failed, batch.uncertain)
        state = inside(labels.BATCH_STATE[batch.state])
        rows.append([str(batch.id), batch.name[:60], batch.server_name, state, *map(thousands, figures)])
    return as_text.table(rows)


def _recipients_table(found: Sequence[BatchRecipient], zone: ZoneInfo) -> str:
    if not found:
        return "Nenhum destinatário."
    rows = [["Linha", "Endereço", "Estado", "Quando", "Resposta"]]
    for each in found:
        reason = reason_of(each)
        said = " ".join((each.reply or (reason.title if reason else "")).split())[:100]
        state = inside(labels.RECIPIENT_STATUS[shown_status(each)])
        rows.append([str(each.row), each.address, state, moment(each.at, zone) or "—", said])
    return as_text.table(rows)


def _starts_at(args: Namespace, zone: ZoneInfo) -> datetime | None:
    if args.start_at is None:
        return None
    if isinstance(args.start_at, timedelta):
        raise WrongUseError("--start-at: use uma data com hora, como 2026-11-27T09:00.")
    return aware(args.start_at, zone)


def _attachments(args: Namespace) -> list[NewFile]:
    """Return the files of the options; of a folder those directly in it."""
    if bool(args.attach_column) != bool(args.attach_dir):
        raise WrongUseError("--attach-column e --attach-dir valem juntas.")
    files = [NewFile(Path(name).name, _read(name)) for name in args.attach]
    if args.attach_dir:
        try:
            own = sorted(path for path in Path(args.attach_dir).iterdir() if path.is_file())
        except OSError as error:
            raise WrongUseError(f"A pasta “{args.attach_dir}” não pôde ser lida.") from error
        files += [NewFile(path.name, _read(str(path)), for_all=False) for path in own]
    return files


def _text(path: str | None) -> str:
    if path is None:
        return ""
    try:
        return _read(path).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise WrongUseError(f"O arquivo “{path}” não está em UTF-8.") from None


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except (OSError, ValueError) as error:
        raise WrongUseError(f"O arquivo “{path}” não pôde ser lido. Confira o caminho e as permissões.") from error
