"""Results as lines and tables for people."""

from __future__ import annotations

import json
import unicodedata
from dataclasses import asdict
from typing import TYPE_CHECKING

from mailcore import labels
from mailcore.labels import inside
from mailcore.registry.drafts import secret_label
from mailcore.registry.fields import LABELS, Sort, fields_of
from mailcore.transports import kind_of, step_label
from mailcore.vocabulary import CheckState, LimitUnit, Security, StepState

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from mailcore.catalog.lookup import ProviderSuggestion
    from mailcore.diagnosis.explain import FoundReply
    from mailcore.diagnosis.replies import Diagnosis
    from mailcore.health.check import CheckResult
    from mailcore.health.doctor import Report
    from mailcore.health.portfolio import Attention, Checked
    from mailcore.quota.rules import Quota
    from mailcore.registry.fields import Field
    from mailcore.storage.tables import MailServer, Send
    from mailcore.transports.base import Step

_STEP_MARKS = {
    StepState.OK: "✓",
    StepState.WARNING: "!",
    StepState.FAILED: "✗",
    StepState.SKIPPED: "○",
}
_NONE = "—"
_SECTIONS = {
    "settings": "Configurações",
    "database": "Banco de dados",
    "secrets": "Senhas",
    "versions": "Versões",
}
_NAMES = {
    "data_dir": "pasta de dados",
    "database_url": "banco de dados",
    "keyring": "chaveiro pedido",
    "secret_keys": "chaves em MAILCORE_SECRET_KEYS",
    "elastic_email_url": "endereço da Elastic Email",
    "timezone": "fuso horário",
    "kind": "tipo",
    "reachable": "responde",
    "writable": "aceita gravar",
    "revision": "versão das tabelas",
    "head": "versão deste programa",
    "search": "índice da busca",
    "servers": "servidores",
    "backend": "chaveiro em uso",
    "key": "chave vem de",
    "key_readable": "chave legível",
    "stored": "guardadas no banco",
    "unreadable": "que a chave não abre",
    "missing": "que faltam",
    "orphans": "sem dono",
    "python": "Python",
    "sqlite": "SQLite",
    "sqlalchemy": "SQLAlchemy",
    "streamlit": "Streamlit",
    "postgresql": "PostgreSQL",
}
"""Name in a doctor's report → what it is called."""


def servers_table(servers: Sequence[MailServer], zone: ZoneInfo) -> str:
    """Return the list, one server a line."""
    if not servers:
        return "Nenhum servidor."
    heading = ["ID", "Descrição", "Tipo", "Servidor", "Remetente", "Conta", "Situação", "Último teste"]
    return table([heading, *(_row(server, zone) for server in servers)])


def _row(server: MailServer, zone: ZoneInfo) -> list[str]:
    return [
        str(server.id),
        server.name + (" (padrão)" if server.is_default else ""),
        kind_of(server.kind).label,
        f"{server.host}:{server.port}" if server.host else _NONE,
        server.from_address,
        _paid(server),
        _active(server),
        _last_check(server, zone),
    ]


def server_lines(server: MailServer, zone: ZoneInfo) -> str:
    """Return one server, one field a line, named as on the screen."""
    pairs = [("ID", str(server.id))]
    for row in fields_of(server.kind):
        if row.sort is Sort.SECRET:
            pairs.append((secret_label(server.kind), "guardada" if server.secret_ref else "não há"))
        elif row.name not in _TOLD_WITH_ANOTHER:
            tell = _TOLD.get(row.name)
            name = "Situação" if row.name == "is_active" else row.label
            pairs.append((name, tell(server) if tell else _value(row, getattr(server, row.name))))
    pairs += [
        ("Último teste", _last_check(server, zone)),
        ("Alterado", f"{_moment(server.updated_at, zone)}, por {server.updated_by}"),
    ]
    return named(pairs)


def _value(row: Field, value: object) -> str:
    word = row.word(value)
    return (inside(word) if row.is_choice else " / ".join(word.splitlines())) or _NONE


def _security(server: MailServer) -> str:
    verifies = "" if server.verify_certificate else ", sem exigir certificado válido"
    return inside(labels.SECURITY[server.security]) + verifies


def _limit(server: MailServer) -> str:
    if not server.daily_limit:
        return "sem limite"
    unit, window = inside(labels.UNIT[server.limit_unit]), inside(labels.WINDOW[server.limit_window])
    return f"{server.daily_limit} {unit}, {window}"


_TOLD: dict[str, Callable[[MailServer], str]] = {
    "kind": lambda server: kind_of(server.kind).label,
    "host": lambda server: f"{server.host}, porta {server.port}",
    "security": _security,
    "username": lambda server: server.username or "sem login",
    "auth": lambda server: labels.login(server.auth, server.oauth_provider),
    "is_active": lambda server: _active(server),
    "daily_limit": _limit,
}
"""How a field is told that says more than its own value."""
_TOLD_WITH_ANOTHER = frozenset(
    {"port", "security_auto", "verify_certificate", "requires_auth", "limit_unit", "limit_window", "ca_pem"}
)


def check_lines(result: CheckResult) -> str:
    """Return the stages of a check, and where it failed why and what to do."""
    parts = ["Funcionando." if result.ok else "Com falha.", "\n".join(step_line(step) for step in result.steps)]
    if result.diagnosis:
        parts.append(diagnosis_lines(result.diagnosis))
    return "\n\n".join(parts)


def step_line(step: Step) -> str:
    """Return one finished stage in one line."""
    time = f" {step.milliseconds:.0f} ms" if step.milliseconds else ""
    words = step.detail or (step.reply.splitlines() or [""])[0]
    name = inside(step_label(step.name))
    return f"{_STEP_MARKS[step.state]} {name}{time}{f' — {words}' if words else ''}"


def diagnosis_lines(diagnosis: Diagnosis) -> str:
    """Return what happened, why and what to do."""
    lines = [diagnosis.title, f"Por quê: {diagnosis.cause}", f"O que fazer: {diagnosis.remedy}"]
    if diagnosis.field:
        lines.append(f"Campo: {diagnosis.field_label or LABELS[diagnosis.field]}")
    if diagnosis.reply:
        lines.append(f"Resposta do servidor: {diagnosis.reply}")
    if diagnosis.evidence:
        lines.append(f"O que decidiu: {', '.join(diagnosis.evidence)}")
    return "\n".join(lines)


def explained(found: Sequence[FoundReply]) -> str:
    """Return each reply that was found in a text, explained."""
    return (
        "\n\n".join(diagnosis_lines(reply.diagnosis) for reply in found) or "Não encontrei nenhuma resposta no texto."
    )


def suggestion_lines(found: ProviderSuggestion | None) -> str:
    """Return what the catalogue proposes, one field a line."""
    if found is None:
        return "O catálogo não conhece este endereço nem este servidor."
    limit = "não publicado"
    if found.daily_limit:
        limit = f"{found.daily_limit} {inside(labels.UNIT[LimitUnit(found.limit_unit)])}"
    return named(
        [
            ("Provedor", found.provider_name),
            (LABELS["host"], f"{found.host}, porta {found.port}" if found.host else _NONE),
            (LABELS["security"], inside(labels.SECURITY[Security(found.security)]) if found.security else _NONE),
            (LABELS["username"], found.username or _NONE),
            (LABELS["is_paid"], _NONE if found.is_paid is None else inside(labels.PAID[found.is_paid])),
            (LABELS["daily_limit"], limit),
            ("Fonte", f"{found.source} ({found.read_on:%d/%m/%Y}, {found.confidence})"),
        ]
    )


def checked_table(checked: Sequence[Checked]) -> str:
    """Return what became of each server of the portfolio, one a line."""
    if not checked:
        return "Nenhum servidor ativo."
    rows = [["ID", "Descrição", "Teste", "O que houve"]]
    for tested in checked:
        diagnosis = tested.result.diagnosis if tested.result else None
        state = _check_state(CheckState.OK if tested.ok else CheckState.FAILED) if tested.result else "não testado"
        rows.append([str(tested.server.id), tested.server.name, state, diagnosis.title if diagnosis else tested.fault])
    return table(rows)


def attention_lines(found: Attention, zone: ZoneInfo) -> list[str]:
    """Return a sentence for each server that will stop working soon."""
    lines = [
        f"Atenção: o certificado do servidor {server.id} “{server.name}” vale até "
        f"{_moment(server.certificate_ends_at, zone)}."
        for server in found.certificates
        if server.certificate_ends_at
    ]
    lines += [
        f"Atenção: o servidor {server.id} “{server.name}” entra com senha, e o provedor acaba com isso em "
        f"{ends:%d/%m/%Y}."
        for server, ends in found.passwords
    ]
    return lines


def sends_table(sends: Sequence[Send], zone: ZoneInfo) -> str:
    """Return rows of the ledger, one a line."""
    if not sends:
        return "Nenhum envio."
    rows = [["ID", "Quando", "Servidor", "Resultado", "Para", "O que houve"]]
    for send in sends:
        first, *more = send.recipients.split("\n")
        what = json.loads(send.diagnosis)["title"] if send.diagnosis else send.reply
        rows.append(
            [
                str(send.id),
                _moment(send.at, zone),
                f"{send.server_id} {send.server_name}",
                inside(labels.SENT[send.status]),
                first + (f" e mais {len(more)}" if more else ""),
                " ".join(what.split())[:100],
            ]
        )
    return table(rows)


def quotas_table(quotas: Sequence[Quota], zone: ZoneInfo) -> str:
    """Return how accounts stand, one a line."""
    if not quotas:
        return "Nenhum servidor."
    rows = [["Servidores", "Usado", "Limite", "Resta", "Estado", "Libera"]]
    for quota in quotas:
        frees = f"{quota.frees[0].units} em {_moment(quota.frees[0].at, zone)}" if quota.frees else _NONE
        state = inside(labels.QUOTA_STATE[quota.state])
        if quota.hold and quota.hold.held_until:
            state += f" até {_moment(quota.hold.held_until, zone)}"
        rows.append(
            [
                ", ".join(f"{server.id} {server.name}" for server in quota.servers[:3])
                + (" …" if len(quota.servers) > 3 else ""),
                str(quota.used),
                _NONE if quota.limit is None else f"{quota.limit} {inside(labels.UNIT[quota.rule.unit])}",
                _NONE if quota.remaining is None else str(quota.remaining),
                state,
                frees,
            ]
        )
    return table(rows)


def outcome(send: Send) -> str:
    """Return what became of an accepted message."""
    pairs = [
        ("Resposta do servidor", send.reply or "(sem texto)"),
        ("Message-ID", send.message_id),
        ("No serviço", send.provider_id),
    ]
    return "\n".join([labels.OUTCOME_SENTENCE[send.status], named([pair for pair in pairs if pair[1]])])


def report_lines(report: Report) -> str:
    """Return what ``doctor`` found, a section each; its faults and notices are said apart."""
    parts = []
    for name, title in _SECTIONS.items():
        section = getattr(report, name)
        if section is not None:
            pairs = [(f"  {_NAMES[key]}", _plain(value)) for key, value in asdict(section).items()]
            parts.append(f"{title}\n{named(pairs)}")
    return "\n\n".join([*parts, "Tudo em ordem." if report.ok else "Há problemas."])


def named(pairs: Sequence[tuple[str, str]]) -> str:
    """Return "name  value" lines with the values below one another."""
    return table([[name, value.replace("\n", " ")] for name, value in pairs])


def table(rows: Sequence[Sequence[str]]) -> str:
    """Return rows with their columns below one another."""
    widths = [max(_width(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines = ("  ".join(_padded(cell, width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return labels.yes_or_no(value)
    return _NONE if value is None else str(value)


def _padded(text: str, width: int) -> str:
    return text + " " * (width - _width(text))


def _width(text: str) -> int:
    """Columns on a terminal: East Asian wide characters take two, combining ones none."""
    wide = sum(unicodedata.east_asian_width(char) in "WF" for char in text)
    return len(text) + wide - sum(bool(unicodedata.combining(char)) for char in text)


def _paid(server: MailServer) -> str:
    return inside(labels.PAID[server.is_paid])


def _active(server: MailServer) -> str:
    return inside(labels.ACTIVE[server.is_active])


def _check_state(state: CheckState) -> str:
    return inside(labels.CHECK_STATE[state])


def _last_check(server: MailServer, zone: ZoneInfo) -> str:
    state = _check_state(server.last_check_state)
    return f"{state}, {_moment(server.last_check_at, zone)}" if server.last_check_at else state


def _moment(value: datetime, zone: ZoneInfo) -> str:
    return value.astimezone(zone).strftime("%d/%m/%Y %H:%M")
