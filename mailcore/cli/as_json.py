"""Results as JSON. The keys are a promise to scripts: nothing is renamed, absent values are null.

Times are ISO 8601 with the offset of the configured zone.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from mailcore.batches.reading import shown_status as shown_recipient_status
from mailcore.registry.document import Document, moment
from mailcore.vocabulary import SendStatus

if TYPE_CHECKING:
    from collections.abc import Sequence
    from zoneinfo import ZoneInfo

    from mailcore.catalog.lookup import ProviderSuggestion
    from mailcore.diagnosis.replies import Diagnosis
    from mailcore.health.check import CheckResult
    from mailcore.quota.rules import FreedUnits, Quota
    from mailcore.storage.tables import Batch, BatchRecipient, LoginSession, OAuthApp, Send, Suppression, User

_DIAGNOSIS = ("category", "code", "title", "cause", "remedy", "field", "reply")


def check_document(result: CheckResult | None, fault: str = "") -> Document:
    """Return what a check found; where it could not be made, the fault stands as its diagnosis' title."""
    if result is None:
        nothing = {**dict.fromkeys(_DIAGNOSIS), "category": "temporary", "code": "not_checked", "title": fault}
        return {"ok": False, "stages": [], "diagnosis": nothing}
    return {
        "ok": result.ok,
        "stages": [
            {
                "name": step.name,
                "state": step.state.value,
                "ms": round(step.milliseconds, 1),
                "detail": step.detail or None,
                "reply": step.reply or None,
            }
            for step in result.steps
        ],
        "diagnosis": diagnosis_document(result.diagnosis) if result.diagnosis else None,
    }


def suggestion_document(found: ProviderSuggestion) -> Document:
    """Return what the catalogue proposes, in the words of a server's own keys; what nobody published is null."""
    return {
        "provider": found.provider_id,
        "provider_name": found.provider_name,
        "found_by": found.found_by,
        "kind": "smtp",
        "host": found.host or None,
        "port": found.port,
        "security": found.security or None,
        "alternatives": [{"port": port, "security": security} for port, security in found.alternatives],
        "username": found.username or None,
        "is_paid": found.is_paid,
        "daily_limit": found.daily_limit,
        "limit_unit": found.limit_unit or None,
        "limit_window": found.limit_window or None,
        "auth": list(found.auth),
        "password_login": found.password_login or None,
        "password_ends_on": found.password_ends_on.isoformat() if found.password_ends_on else None,
        "warnings": list(found.warnings),
        "source": found.source,
        "read_on": found.read_on.isoformat(),
        "confidence": found.confidence,
    }


def diagnosis_document(diagnosis: Diagnosis) -> Document:
    """Return a diagnosis; what does not apply is null."""
    return {key: getattr(diagnosis, key) or None for key in _DIAGNOSIS}


def explained_document(diagnosis: Diagnosis) -> Document:
    """Return a diagnosis with ``evidence``: the reply's own words and codes that decided, none where none did."""
    return {**diagnosis_document(diagnosis), "evidence": list(diagnosis.evidence)}


def send_document(send: Send, zone: ZoneInfo) -> Document:
    """Return a row of the ledger. ``frees_at`` comes with the quotas; until then it is null."""
    return {
        "id": send.id,
        "server_id": send.server_id,
        "status": shown_status(send).value,
        "units": send.units,
        "recipients": send.recipients.splitlines(),
        "message_id": send.message_id,
        "provider_id": send.provider_id or None,
        "reply": send.reply or None,
        "at": moment(send.at, zone),
        "warnings": send.warnings.splitlines(),
        "frees_at": moment(send.frees_at, zone),
        "diagnosis": _diagnosis(send.diagnosis),
    }


def quota_document(quota: Quota, zone: ZoneInfo) -> Document:
    """Return how an account stands: limit, unit, window, used, remaining, state and frees are of the stricter count."""
    held = quota.hold
    return {
        "server_ids": [server.id for server in quota.servers],
        "account": quota.account_key,
        "limit": quota.limit,
        "unit": quota.rule.unit.value,
        "window": quota.rule.window.value,
        "used": quota.used,
        "remaining": quota.remaining,
        "state": quota.state.value,
        "frees": [{"at": moment(freed.at, zone), "units": freed.units} for freed in quota.frees],
        "blocked_until": moment(held.held_until, zone) if held else None,
        "unavailable": [{"figure": name, "reason": reason} for name, reason in quota.unavailable],
    }


def app_document(app: OAuthApp) -> Document:
    """Return a registered application; of its secret only whether there is one."""
    return {
        "id": app.id,
        "name": app.name,
        "provider": app.provider,
        "client_id": app.client_id,
        "tenant": app.tenant or None,
        "mode": app.mode.value,
        "has_secret": app.secret_ref is not None,
    }


def user_document(user: User, zone: ZoneInfo) -> Document:
    """Return who may enter; of the password only whether there is one."""
    return {
        "id": user.id,
        "email": user.email,
        "name": user.name or None,
        "role": user.role.value,
        "is_active": user.is_active,
        "has_password": bool(user.password_hash),
        "created_at": moment(user.created_at, zone),
        "last_seen_at": moment(user.last_seen_at, zone),
    }


def login_document(login: LoginSession, zone: ZoneInfo) -> Document:
    """Return one signed-in browser."""
    return {
        "id": login.id,
        "door": login.door,
        "created_at": moment(login.created_at, zone),
        "last_seen_at": moment(login.last_seen_at, zone),
        "address": login.address or None,
        "user_agent": login.user_agent or None,
    }


def batch_document(batch: Batch, forecast: Sequence[FreedUnits], zone: ZoneInfo) -> Document:
    """Return a batch; ``forecast`` is when how many of its messages will go."""
    return {
        "id": batch.id,
        "name": batch.name,
        "server_id": batch.server_id,
        "kind": batch.kind.value,
        "state": batch.state.value,
        "total": batch.total,
        "pending": batch.pending,
        "sent": batch.sent,
        "refused": batch.refused,
        "failed": batch.failed,
        "uncertain": batch.uncertain,
        "suppressed": batch.suppressed,
        "waits_until": moment(batch.waits_until, zone),
        "reason": _diagnosis(batch.reason),
        "forecast": [{"at": moment(each.at, zone), "units": each.units} for each in forecast],
        "created_at": moment(batch.created_at, zone),
        "started_at": moment(batch.started_at, zone),
        "finished_at": moment(batch.finished_at, zone),
    }


def recipient_document(found: BatchRecipient, zone: ZoneInfo) -> Document:
    """Return what became of one recipient of a batch."""
    return {
        "row": found.row,
        "address": found.address,
        "status": shown_recipient_status(found).value,
        "reply": found.reply or None,
        "at": moment(found.at, zone),
        "message_id": found.message_id or None,
        "diagnosis": _diagnosis(found.diagnosis),
    }


def suppression_document(found: Suppression, zone: ZoneInfo) -> Document:
    """Return an address that batches leave out, and why."""
    return {
        "address": found.address,
        "scope": found.scope.value,
        "source": found.source.value,
        "reason": found.reason or None,
        "since": moment(found.since, zone),
        "who": found.who or None,
    }


def _diagnosis(stored: str) -> Document | None:
    if not stored:
        return None
    values = json.loads(stored)
    return {key: values[key] or None for key in _DIAGNOSIS}


def shown_status(send: Send) -> SendStatus:
    """Return the status; a send that another process has not finished is uncertain to everybody else."""
    return SendStatus.UNCERTAIN if send.status is SendStatus.STARTED else send.status
