"""DataFrames: typed, of one truth with the screen and the command line, without secrets, and of a bounded memory."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import tracemalloc
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from pydantic import SecretStr
from sqlalchemy import insert

import mailcore
from mailcore import ArgumentError, LedgerQuery, SendStatus, ServerDraft, frames
from mailcore.cli import main
from mailcore.cli.as_json import send_document
from mailcore.quota.series import days, hours
from mailcore.registry.document import server_document
from mailcore.storage.tables import Send
from mailcore.vocabulary import Kind, QuotaState
from tests.actors import ME
from tests.tables import each_row

if TYPE_CHECKING:
    from mailcore import Mailcore
    from mailcore.storage.tables import MailServer

ROOT = Path(__file__).parents[2]
SECRET = "çenha-Segr3da-7731"


def server(core: Mailcore, name: str = "Loja", **changes: Any) -> MailServer:
    fields: dict[str, Any] = {
        "host": f"{name.lower()}.example",
        "username": "ana",
        "from_address": "loja@a.example",
        "daily_limit": 10,
    }
    draft = ServerDraft(name=name, **{**fields, **changes})
    return core.servers.create(draft, SecretStr(SECRET), actor=ME).server


@pytest.fixture
def used(core: Mailcore) -> Mailcore:
    """Three accounts; one of them used, one without a limit and one that a service keeps."""
    shop = server(core)
    server(core, "Banco", daily_limit=None)
    server(core, "Campanhas", kind=Kind.ELASTIC_EMAIL, host="", username="", daily_limit=5000)
    for number in range(9):
        row = core.reserve(shop, [f"cliente{number}@b.example", "outra@b.example"], idempotency_key=f"k{number}")
        if row.status is SendStatus.STARTED:
            outcome = SendStatus.REFUSED if number == 1 else SendStatus.ACCEPTED
            reply = "550 5.1.1 no such user" if number == 1 else "250 2.0.0 taken"
            core.settle(row, outcome, reply=reply, phase="rcpt")
    return core


def values(frame: pd.DataFrame, column: str) -> list[Any]:
    """A column as Python has it, None where it is missing."""
    return [None if pd.isna(value) else value for value in frame[column].tolist()]


def test_quotas_tell_what_the_command_line_tells(
    used: Mailcore, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("database_url", "data_dir", "keyring"):
        monkeypatch.setenv(f"MAILCORE_{name.upper()}", str(getattr(used.settings, name)))
    monkeypatch.setenv("MAILCORE_ELASTIC_EMAIL_URL", "http://127.0.0.1:9")  # nobody answers
    frame = frames.quotas(used)
    main(["quota", "--json"])
    documents = json.loads(capsys.readouterr().out)
    assert len(frame) == 3
    for key in ("account", "limit", "used", "remaining", "state", "unit", "window"):
        assert values(frame, key) == [document[key] for document in documents], key
    frees = [document["frees"][0] if document["frees"] else None for document in documents]
    assert values(frame, "frees_units") == [freed and freed["units"] for freed in frees]
    moments = [None if at is None else at.isoformat(timespec="seconds") for at in values(frame, "frees_at")]
    assert moments == [freed and freed["at"] for freed in frees]
    assert values(frame, "used") == values(frame, "own")
    assert max(frame["used"]) == 10


def test_servers_tell_what_the_command_line_tells(used: Mailcore) -> None:
    frame = frames.servers(used).sort_values("id", ignore_index=True)
    documents = [server_document(used.servers.get(number), used.settings.zone) for number in (1, 2, 3)]
    flat = set(documents[0]) - {"last_check", "created_at", "updated_at"}
    assert flat <= set(frame.columns)
    for key in flat:
        assert [value or None for value in values(frame, key)] == [document[key] or None for document in documents], key
    assert values(frame, "last_check_state") == ["never"] * 3
    assert set(values(frame, "account")) == {quota.account_key for quota in used.quotas()}


def test_usage_and_hours_are_those_of_the_charts(used: Mailcore) -> None:
    usage, zone = frames.usage(used, days=7), used.settings.zone
    found = days(used.database, zone, days=7)
    for name in ("server_id", "messages", "recipients", "external"):
        assert values(usage, name) == [getattr(each, name) for each in found], name
    assert [day.date() for day in usage["day"]] == [each.day for each in found]
    assert values(usage, "server") == ["Loja"]
    hourly = frames.hours(used)
    assert {(row.day.date(), row.hour): row.recipients for row in hourly.itertuples()} == hours(used.database, zone)
    assert hourly["recipients"].sum() == usage["recipients"].sum() == 10
    assert frames.usage(used, server_ids=[2]).empty


def test_sends_tell_what_the_command_line_tells(used: Mailcore) -> None:
    frame, zone = frames.sends(used), used.settings.zone
    documents = [send_document(send, zone) for send in used.ledger.search(LedgerQuery()).sends]
    assert len(frame) == len(documents) == 9
    for key in ("id", "server_id", "status", "units", "message_id"):
        assert values(frame, key) == [document[key] for document in documents], key
    assert [text.split() for text in frame["recipients"]] == [document["recipients"] for document in documents]
    assert [at.isoformat(timespec="seconds") for at in frame["at"]] == [document["at"] for document in documents]
    diagnoses = [document["diagnosis"] or {} for document in documents]
    assert values(frame, "diagnosis_code") == [diagnosis.get("code") for diagnosis in diagnoses]
    assert set(frame["status"]) == {"accepted", "refused", "rejected_by_rule"}
    assert frame["frees_at"].notna().sum() == sum(document["frees_at"] is not None for document in documents) > 0


def test_columns_are_typed_also_where_there_is_nothing(core: Mailcore) -> None:
    def types() -> dict[str, dict[str, str]]:
        made = {
            "servers": frames.servers(core),
            "quotas": frames.quotas(core),
            "usage": frames.usage(core),
            "hours": frames.hours(core),
            "sends": frames.sends(core),
        }
        return {name: {column: str(kind) for column, kind in frame.dtypes.items()} for name, frame in made.items()}

    empty = types()
    core.settle(core.reserve(server(core), 1), SendStatus.ACCEPTED)
    assert types() == empty
    zone = "datetime64[us, America/Sao_Paulo]"
    assert [empty["sends"][name] for name in ("at", "frees_at", "units", "status")] == [zone, zone, "int64", "category"]
    quota = [empty["quotas"][name] for name in ("limit", "used", "remaining", "share", "state", "blocked_until")]
    assert quota == ["Int64", "int64", "Int64", "float64", "category", zone]
    shop = [empty["servers"][name] for name in ("port", "is_paid", "kind", "daily_limit", "created_at", "name")]
    assert shop == ["Int64", "bool", "category", "Int64", zone, "str"]
    assert (empty["usage"]["day"], empty["hours"]["hour"]) == ("datetime64[us]", "int64")
    assert frames.quotas(core)["state"].cat.categories.tolist() == [state.value for state in QuotaState]


def test_no_frame_holds_a_secret(used: Mailcore) -> None:
    refs = [used.servers.get(number).secret_ref for number in (1, 2, 3)]
    made = (frames.servers(used), frames.quotas(used), frames.usage(used), frames.hours(used), frames.sends(used))
    text = "\n".join(frame.to_csv() for frame in made)
    assert "Loja" in text
    assert not [secret for secret in (SECRET, *refs) if secret in text]


def test_since_and_a_query_choose_rows(used: Mailcore) -> None:
    now = datetime.now(UTC)
    assert len(frames.sends(used, since=now - timedelta(hours=1))) == 9
    assert len(frames.sends(used, since=timedelta(hours=1))) == 9
    assert frames.sends(used, since=now + timedelta(hours=1)).empty
    assert len(frames.sends(used, query=LedgerQuery(status=SendStatus.REFUSED))) == 1
    assert frames.sends(used, most=2)["id"].tolist() == [9, 8]
    parts = list(frames.sends_in_chunks(used, rows=4))
    assert [len(part) for part in parts] == [4, 4, 1]
    assert [number for part in parts for number in part["id"]] == frames.sends(used)["id"].tolist()


@each_row(
    ("name", "call"),
    [
        ("core", lambda _: frames.quotas("core")),
        ("days", lambda core: frames.usage(core, days=0)),
        ("days", lambda core: frames.usage(core, days="7")),
        ("since", lambda core: frames.sends(core, since=datetime(2026, 11, 1))),  # noqa: DTZ001
        ("since", lambda core: frames.sends(core, since="2026-11-01")),
        ("query", lambda core: frames.sends(core, query="Loja")),
        ("most", lambda core: frames.sends(core, most=-1)),
        ("rows", lambda core: list(frames.sends_in_chunks(core, rows=0))),
    ],
)
def test_a_wrong_argument_gets_a_sentence(core: Mailcore, name: str, call: Any) -> None:
    with pytest.raises(ArgumentError, match=f"^{name}: "):
        call(core)


def test_the_ledger_is_read_in_pieces(core: Mailcore) -> None:
    """Python objects of one piece live at a time: eight times the rows, about the same memory above the frame's own."""
    shop, now = server(core), datetime.now(UTC)
    diagnosis = json.dumps({"category": "recipient", "code": "x", "title": "T", "cause": "", "remedy": "", "reply": ""})
    rows = [
        {
            "idempotency_key": f"k{number}",
            "server_id": shop.id,
            "server_name": shop.name,
            "status": SendStatus.ACCEPTED,
            "units": 1,
            "recipients": f"cliente{number}@exemplo.com.br",
            "message_id": f"<{number:032x}@exemplo.com.br>",
            "reply": f"250 2.0.0 queued as {number:x}",
            "diagnosis": "" if number % 20 else diagnosis,
            "at": now - timedelta(seconds=number),
            "account_key": shop.account_key,
        }
        for number in range(4_000)
    ]
    with core.database.write() as session:
        session.execute(insert(Send), rows)
    del rows

    def peak(most: int) -> float:
        tracemalloc.start()
        total = sum(len(part) for part in frames.sends_in_chunks(core, most=most, rows=167))
        _, highest = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert total == most
        return highest

    peak(500)
    assert peak(4_000) < 1.5 * peak(500)


def test_without_pandas_everything_else_is_there_and_frames_says_what_to_install() -> None:
    code = "import sys; sys.modules['pandas'] = None; from mailcore import *; print(compose, open_mailcore); "
    code += "import mailcore; print('so far', flush=True); mailcore.frames"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.endswith("so far\n"), done.stderr
    assert "servidores-de-email[frames]" in done.stderr.splitlines()[-1]


def test_the_example_of_a_notebook_runs(
    used: Mailcore, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    spec = importlib.util.spec_from_file_location("notebook", ROOT / "examples" / "notebook.py")
    assert spec
    assert spec.loader
    monkeypatch.setattr(mailcore, "open_mailcore", lambda: used)
    monkeypatch.chdir(tmp_path)
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
    said = capsys.readouterr().out
    assert "Loja" in said
    assert "full" in said
    assert [path.name for path in tmp_path.glob("*.csv")] == ["recusas.csv"]
