"""Batches over Elastic Email's ``POST /emails``: up to 1,000 recipients a call, several calls at a time.

The service puts each recipient's fields into ``{name}``. It gets one field for every piece in which recipients differ,
its text ready made (see :meth:`MergeMessage.placeholders`), so that a message is the same whichever way it goes.

``Content.Headers`` is one for all recipients of a call, and fields are documented for the body alone; what is not
filled in is sent as written. So no header names a recipient: no ``List-Unsubscribe`` of ours by https, which has to
(RFC 8058 §3.1), and no ``List-Unsubscribe-Post``. The service writes ``List-Unsubscribe`` itself where the account says
so (its help, "Unsubscribe Settings", 2026-11), and ours would stand in its way; ``{{descadastro}}`` in the text is each
recipient's own address all the same. Where people unsubscribe by a message to the sender, that is one for all.
"""

from __future__ import annotations

import base64
import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from mailcore.transports.base import TransportError
from mailcore.transports.bulk import BulkLine, Parcel, ParcelResult
from mailcore.transports.elastic_payload import mailbox_text
from mailcore.vocabulary import Outcome, SendStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mailcore.messages.merge import Attachment, MergeMessage
    from mailcore.transports.base import Receipt

MOST_RECIPIENTS = 1_000
"""Of one call, by the service's own rule."""
AT_ONCE = 5
"""Calls of one line at a time; the service takes 20 for an account."""
_MOST_BYTES = 8_000_000
"""Of the recipients in one call; about 20 MB are allowed with everything (10 in older texts)."""
_MOST_TIMES = 64
"""How often what a call leaves is said anew, where the service names recipients or finds them too many."""
_NOT_REACHED = ("dns_", "connect_", "tls_", "api_key_")


class ElasticBulkLine(BulkLine):
    """One account of the service."""

    merges_itself = True
    most_lines = 4

    def __init__(self, post: Callable[[bytes, str], Receipt], merge: MergeMessage) -> None:
        """Contact nobody yet.

        Args:
            post: hands one body over under an ``Idempotency-Key``, once, and raises :class:`TransportError`.
        """
        self._post = post
        self._merge = merge
        self._template, self._name = merge.placeholders()
        self._files = [_attachment(each) for each in merge.attachments]

    @property
    def group_size(self) -> int:
        """As many as are on their way at a time, for that is what a death in the middle leaves uncertain.

        A call of a thousand is begun and answered as a whole. Recipients with files of their own have a call each.
        """
        return AT_ONCE if self._merge.has_own_files else AT_ONCE * MOST_RECIPIENTS

    def hand_over(self, parcels: Sequence[Parcel]) -> list[ParcelResult]:
        """Hand a group over, 1,000 recipients a call; one with files of its own has a call of its own."""
        results: dict[int, ParcelResult] = {}
        calls = list(self._calls(parcels, results))
        if len(calls) == 1:
            results |= self._call(*calls[0])
        elif calls:
            with ThreadPoolExecutor(min(AT_ONCE, len(calls)), thread_name_prefix="elastic") as pool:
                for done in pool.map(lambda call: self._call(*call), calls):
                    results |= done
        return [results[parcel.number] for parcel in parcels]

    def _calls(
        self, parcels: Sequence[Parcel], results: dict[int, ParcelResult]
    ) -> Iterator[tuple[list[Parcel], list[dict[str, Any]]]]:
        """Part a group into calls; what cannot be written is no part of one and has its result at once."""
        call: list[Parcel] = []
        recipients: list[dict[str, Any]] = []
        size = 0
        for parcel in parcels:
            try:
                values = self._merge.merged(parcel.address, parcel.fields)
            except Exception:  # noqa: BLE001 - one recipient's fault must not keep the others from their message
                error = TransportError(phase="message", cause="message_unwritable")
                results[parcel.number] = ParcelResult.not_taken(parcel.number, error)
                continue
            named = {f"{self._name}{number}": text for number, text in enumerate(values, 1)}
            recipient = {"Email": parcel.address, "Fields": named}
            if parcel.attachments:
                yield [parcel], [recipient]
                continue
            weight = sum(map(len, values)) * 2 + 200
            if call and (len(call) == MOST_RECIPIENTS or size + weight > _MOST_BYTES):
                yield call, recipients
                call, recipients, size = [], [], 0
            call.append(parcel)
            recipients.append(recipient)
            size += weight
        if call:
            yield call, recipients

    def _call(self, parcels: list[Parcel], recipients: list[dict[str, Any]]) -> dict[int, ParcelResult]:
        """Make one call, and where the service refuses it for some of its recipients, one for the others."""
        results: dict[int, ParcelResult] = {}
        waiting = [(parcels, recipients)]
        for _ in range(_MOST_TIMES):
            if not waiting:
                break
            now, said = waiting.pop()
            error = self._once(now, said, results)
            if error is None:
                continue
            bad = _named_in(error.reply, now) if error.code in (400, 422) else set()
            if len(now) > 1 and error.code == 413:
                half = len(now) // 2
                waiting += [(now[half:], said[half:]), (now[:half], said[:half])]
            elif bad and len(bad) < len(now):
                for number in bad:
                    results[number] = ParcelResult.of(number, error)
                kept = [(each, what) for each, what in zip(now, said, strict=True) if each.number not in bad]
                waiting.append(([each for each, _ in kept], [what for _, what in kept]))
            else:
                results |= {each.number: _result(each.number, error) for each in now}
        for left, _ in waiting:
            fault = TransportError(phase="message", cause="too_many_recipients")
            results |= {each.number: ParcelResult.not_taken(each.number, fault) for each in left}
        return results

    def _once(
        self, parcels: list[Parcel], recipients: list[dict[str, Any]], results: dict[int, ParcelResult]
    ) -> TransportError | None:
        body = json.dumps({"Recipients": recipients, "Content": self._content(parcels[0].attachments)}).encode()
        ids = "\n".join(parcel.message_id for parcel in parcels)
        try:
            receipt = self._post(body, hashlib.sha256(ids.encode()).hexdigest())
        except TransportError as error:
            return error
        except Exception:  # noqa: BLE001 - what is none of ours decides no outcome by itself
            return TransportError(phase="message", cause="program_fault", outcome=Outcome.UNCERTAIN)
        for parcel in parcels:
            results[parcel.number] = ParcelResult(
                parcel.number, SendStatus.ACCEPTED, receipt.reply, receipt.provider_id
            )
        return None

    def _content(self, own_files: Sequence[Attachment]) -> dict[str, Any]:
        merge, template = self._merge, self._template
        bodies = [("HTML", template.html), ("PlainText", template.text)]
        content: dict[str, Any] = {
            "From": mailbox_text(merge.sender.name, merge.sender.address),
            "Subject": template.subject,
            "Body": [
                {"ContentType": kind, "Content": text, "Charset": "utf-8"} for kind, text in bodies if text.strip()
            ],
        }
        if merge.reply_to:
            content["ReplyTo"] = merge.reply_to
        if files := [*self._files, *map(_attachment, own_files)]:
            content["Attachments"] = files
        content["Headers"] = {"Auto-Submitted": "auto-generated"}
        if merge.list_unsubscribe is not None:
            content["Headers"]["Precedence"] = "bulk"
            box = merge.list_unsubscribe(merge.sender.address)
            if box.startswith("mailto:"):
                content["Headers"]["List-Unsubscribe"] = f"<{box.partition('?')[0]}?subject=descadastrar>"
        return content


def _attachment(file: Attachment) -> dict[str, str]:
    data = base64.b64encode(file.data).decode("ascii")
    return {"BinaryContent": data, "Name": file.name, "ContentType": file.content_type}


def _named_in(reply: str, parcels: Sequence[Parcel]) -> set[int]:
    """Return whose address an error names."""
    said = reply.casefold()
    return {parcel.number for parcel in parcels if parcel.address.casefold() in said}


def _result(number: int, error: TransportError) -> ParcelResult:
    if error.cause.startswith(_NOT_REACHED):
        return ParcelResult.not_taken(number, error)
    return ParcelResult.of(number, error)
