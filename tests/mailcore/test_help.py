"""Every field and button has its paragraph, and every figure its source."""

from __future__ import annotations

from mailcore.catalog import for_domain, for_host, providers
from mailcore.help import field_help, find_topics, topics
from tests.tables import each_row

FIELDS = (
    "name", "kind", "host", "from_address", "from_name", "reply_to", "is_paid", "daily_limit", "limit_unit",
    "limit_window", "same_address", "is_active", "is_default", "notes", "requires_auth", "username", "secret", "port",
    "ssl", "ssl_mode", "verify_certificate", "ca_pem", "api_key",
)  # fmt: skip
BUTTONS = (
    "ativar",
    "colunas",
    "novo", "alterar", "apagar", "testar", "enviar_teste", "salvar", "salvar_e_continuar", "cancelar", "remover_senha",
    "testar_todos", "duplicar", "preencher", "usar_sugestao", "envios", "explicar", "alteracoes", "importar",
    "cotas", "liberar", "consumo_externo",
    "lote", "lote_campos", "lote_estados", "supressoes",
)  # fmt: skip


@each_row("key", FIELDS)
def test_every_field_has_its_sentence_and_its_paragraph(key: str) -> None:
    sentence = field_help(key)
    assert sentence.endswith(f"[Saiba mais](/ajuda?campo={key})")
    assert not sentence.startswith(" ")


def test_every_button_and_the_keys_have_their_paragraph() -> None:
    keys = [topic.key for topic in topics()]
    assert set(BUTTONS) | {"teclas"} <= set(keys)
    assert len(keys) == len(set(keys))
    assert all(topic.title and topic.text for topic in topics())


def test_the_help_is_searched_without_accents() -> None:
    assert "port" in [topic.key for topic in find_topics("QUAL pôrta")]
    assert find_topics("palavra-que-nao-existe") == []
    assert find_topics("") == list(topics())


def test_a_provider_is_found_by_domain_and_by_host() -> None:
    gmail = for_domain("GMAIL.com")
    assert gmail is not None
    assert (gmail.host, gmail.port, gmail.security) == ("smtp.gmail.com", 465, "ssl_tls")
    assert for_host("smtp.gmail.com") is gmail
    assert for_domain("notgmail.com") is None
    assert for_host("x.smtp.gmail.com") is None


def test_every_figure_has_its_source_date_and_confidence() -> None:
    ids = [provider.id for provider in providers()]
    assert len(ids) == len(set(ids))
    domains = [domain for provider in providers() for domain in provider.domains]
    assert len(domains) == len(set(domains))
    for provider in providers():
        assert provider.source
        assert provider.read_on.year >= 2026
        assert provider.confidence in ("official", "secondary", "unverified")
        assert provider.note_pt.endswith(".")
        assert provider.host == "" or "." in provider.host
        assert provider.security in ("", "starttls", "ssl_tls")
