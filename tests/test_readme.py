"""The README's samples run as they stand there."""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path

import pytest

from mailcore import SendStatus, ServerDraft, open_mailcore
from mailcore.sending.ledger import LedgerQuery
from mailcore.vocabulary import Security
from tests.actors import ME
from tests.peers.smtp_server import SmtpPeer

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
SAMPLES = re.findall(r"^```python\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


@pytest.fixture(autouse=True)
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new installation, which the samples open by themselves."""
    monkeypatch.setenv("MAILCORE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("MAILCORE_KEYRING", "database")
    monkeypatch.chdir(tmp_path)


def run(sample: str) -> None:
    exec(compile(sample, "README.md", "exec"), {"__name__": "__main__"})


def test_there_are_samples() -> None:
    assert len(SAMPLES) >= 2
    assert "core.send(" in SAMPLES[0]


@pytest.mark.parametrize("sample", SAMPLES, ids=range(len(SAMPLES)))
def test_a_sample_says_what_is_missing_on_a_fresh_installation(sample: str, capsys: pytest.CaptureFixture[str]) -> None:
    run(sample)
    if "servers.default()" in sample:
        assert "Nenhum servidor padrão" in capsys.readouterr().out


def test_the_samples_send_and_count(capsys: pytest.CaptureFixture[str]) -> None:
    with SmtpPeer() as peer:
        draft = ServerDraft(
            name="Loja",
            host="127.0.0.1",
            port=peer.port,
            security=Security.NONE,
            security_auto=False,
            requires_auth=False,
            from_address="loja@exemplo.com.br",
            is_default=True,
        )
        with closing(open_mailcore()) as core:
            core.servers.create(draft, actor=ME)
        for sample in SAMPLES:
            run(sample)
        assert [message.recipients for message in peer.inbox] == [["cliente@exemplo.com.br"]]
    assert capsys.readouterr().out.startswith("accepted 250")
    with closing(open_mailcore()) as core:
        sends = core.ledger.search(LedgerQuery()).sends
        assert [send.status for send in sends] == [SendStatus.ACCEPTED] * 2
        assert sum(quota.used for quota in core.quotas()) == 2
