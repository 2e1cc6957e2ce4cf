"""The catalogue: its rows can be trusted, a look-up finds the right one, and says what will not work."""

from __future__ import annotations

import csv
import socket
from collections import Counter
from datetime import date
from importlib import resources
from typing import TYPE_CHECKING

import dns.rcode
import dns.resolver
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from mailcore.catalog import for_domain, for_host, for_mx, mx, provider_id, providers
from mailcore.catalog.advice import warnings
from mailcore.catalog.data import CODE_ONLY, CONFIDENCE, KINDS, NO_LIMIT, PASSWORD_LOGIN, Provider
from mailcore.catalog.lookup import ProviderSuggestion, password_login_ends, suggest
from mailcore.catalog.mx import MX_SECONDS, Kept, mx_hosts
from mailcore.registry.drafts import ServerDraft, clean_for_check
from mailcore.vocabulary import LimitUnit, LimitWindow, Security
from tests.peers.dns_server import DnsPeer, Drip, Garble, Late, Rcode, Stall, Truncate
from tests.properties import examples
from tests.side_by_side import side_by_side
from tests.tables import each_row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.peers.dns_server import Action

TODAY = date(2026, 11, 24)
GOOGLE_MX = [(1, "aspmx.l.google.com"), (5, "alt1.aspmx.l.google.com"), (10, "aspmx2.googlemail.com")]
MICROSOFT_MX = [(0, "exemplo-com-br.mail.protection.outlook.com")]
SHORT = 0.5
"""Seconds a look-up may take where the name server says nothing."""

_FIGURES = (
    "daily_messages", "daily_recipients", "hourly", "per_minute", "recipients_per_message", "max_message_mb",
)  # fmt: skip
_AUTH = {"password", "app_password", "api_key", "oauth2"}

every_provider = each_row("row", providers())


def off_line(_: str) -> list[str]:
    return []


def found(text: str, *, today: date = TODAY) -> ProviderSuggestion:
    """Look up without a network, and find something."""
    suggestion = suggest(text, mx=off_line, today=today)
    assert suggestion is not None
    return suggestion


def said(suggestion: ProviderSuggestion) -> str:
    return " ".join(suggestion.warnings)


def by_id(name: str) -> Provider:
    (row,) = [row for row in providers() if row.id == name]
    return row


# ---------------------------------------------------------------------- the rows


def raw_rows() -> list[dict[str, str]]:
    text = resources.files("mailcore.catalog").joinpath("providers.csv").read_text("utf-8")
    return list(csv.DictReader(text.splitlines()))


def test_every_line_has_its_cells_and_no_blanks_around_them() -> None:
    for row in raw_rows():
        assert None not in row, row["id"]
        assert None not in row.values(), row["id"]
        assert [cell for cell in row.values() if cell != cell.strip()] == [], row["id"]
        lists = [row[name] for name in ("domains", "mx_suffixes", "other_hosts", "auth")]
        assert [cell for cell in lists if ";;" in cell or cell != cell.strip(";")] == [], row["id"]


def test_every_provider_has_an_id_and_a_name_of_its_own() -> None:
    for attribute in ("id", "name"):
        counted = Counter(getattr(row, attribute) for row in providers())
        assert [value for value, times in counted.items() if times > 1 or not value] == []


@every_provider
def test_a_row_says_where_it_was_read_when_and_how_far_to_trust_it(row: Provider) -> None:
    for source in (row.source, row.settings_source):
        assert source == CODE_ONLY or source.startswith(("https://", "http://"))
    assert row.confidence in CONFIDENCE
    assert row.settings_confidence in CONFIDENCE
    assert row.read_on >= date(2026, 1, 1)
    if row.source == CODE_ONLY:
        assert row.confidence == "unverified"
    if row.settings_source == CODE_ONLY:
        assert row.settings_confidence == "unverified"
    for figure, confidence in row.other_confidence:
        assert confidence in CONFIDENCE
        assert confidence != row.confidence
        assert getattr(row, figure), "better or worse known than the rest, but not there"
        assert row.confidence_of(figure) == confidence
    assert row.confidence_of("hourly") == dict(row.other_confidence).get("hourly", row.confidence)


@every_provider
def test_a_figure_is_published_or_none_and_never_nought(row: Provider) -> None:
    for figure in _FIGURES:
        value = getattr(row, figure)
        assert value is None or (type(value) is int and value > 0), figure
    assert row.limit_unit in {"", *LimitUnit}
    assert row.window in {"", *LimitWindow}
    assert row.no_limit in NO_LIMIT
    assert (row.daily_limit is None) == (row.limit_unit == "") == (row.no_limit != "")
    if row.window:
        assert row.daily_limit is not None
    assert bool(row.window_zone) == (row.window == "calendar_day")
    if row.no_limit == "hourly":
        assert row.hourly is not None
    if row.no_limit == "not_read":
        assert row.source != CODE_ONLY


@every_provider
def test_what_a_row_says_of_the_settings_can_be_used(row: Provider) -> None:
    assert row.kind in KINDS
    assert set(row.auth) <= _AUTH
    assert bool(row.host) == bool(row.port) == bool(row.security)
    assert bool(row.alt_port) == bool(row.alt_security)
    for port, security in ((row.port, row.security), (row.alt_port, row.alt_security)):
        if port is not None:
            assert 1 <= port <= 65_535
            assert security in {Security.SSL_TLS, Security.STARTTLS}, "nobody is told to send a password in the clear"
            assert (port == 465) == (security == Security.SSL_TLS)
    if row.alt_port is not None:
        assert (row.alt_port, row.alt_security) != (row.port, row.security)
    if row.host:
        draft = ServerDraft(
            name="x", host=row.host, port=row.port, security=Security(row.security), requires_auth=False,
            from_address="ana@exemplo.com.br",
        )  # fmt: skip
        assert clean_for_check(draft).host == row.host


@every_provider
def test_what_a_row_says_of_the_login_hangs_together(row: Provider) -> None:
    assert row.password_login in PASSWORD_LOGIN
    assert (row.password_ends_on is not None) == (row.password_login in ("retired", "ends"))
    assert not row.app_password_page or row.app_password_page.startswith("https://")
    if row.password_login == "app_password":
        assert "app_password" in row.auth
        assert "password" not in row.auth
    if row.password_login == "retired":
        assert row.auth == ("oauth2",)
    if row.password_login in ("works", "ends"):
        assert "password" in row.auth
    if row.user_form not in ("", "address", "local_part", "panel"):
        assert row.auth == ("api_key",), "a fixed word as the user goes with a key as the password"


@every_provider
def test_names_are_as_the_dns_writes_them(row: Provider) -> None:
    names = (
        *(name.replace("*", "x") for name in row.domains),
        *row.mx_suffixes,
        row.host,
        *(host.replace("*", "x") for host in row.other_hosts),
    )
    for name in filter(None, names):
        assert name == name.lower().strip(".")
        assert name.isascii()
        assert "." in name
        assert not set(name) - set("abcdefghijklmnopqrstuvwxyz0123456789.-_"), name


def test_no_domain_and_no_mx_is_claimed_twice() -> None:
    for attribute in ("domains", "mx_suffixes"):
        counted = Counter(name for row in providers() for name in getattr(row, attribute))
        assert [name for name, times in counted.items() if times > 1] == []


def test_rows_that_share_a_host_agree_on_its_settings() -> None:
    said_of: dict[str, set[tuple[object, ...]]] = {}
    for row in providers():
        settings = (row.port, row.security, row.alt_port, row.alt_security, row.user_form, row.auth, row.password_login)
        for host in filter(None, (row.host, *row.other_hosts)):
            said_of.setdefault(host, set()).add(settings)
    assert {host: said for host, said in said_of.items() if len(said) > 1} == {}


def test_a_row_is_found_again_by_all_that_it_names() -> None:
    for row in providers():
        for domain in row.domains:
            assert for_domain(domain.replace("*", "empresa")) is row
        for suffix in row.mx_suffixes:
            assert for_mx([suffix]) is row
            assert for_mx([f"mx1.{suffix}."]) is row
        for host in filter(None, (row.host, *row.other_hosts)):
            again = for_host(host.replace("*", "sub"))
            assert again is not None
            assert (again.port, again.security) == (row.port, row.security)


def test_where_plans_share_a_host_the_smallest_limit_is_proposed() -> None:
    for host in {row.host for row in providers() if row.host}:
        limits = [row.daily_limit for row in providers() if row.host == host]
        known = [limit for limit in limits if limit is not None]
        first = for_host(host)
        assert first is not None
        assert first.daily_limit == (min(known) if known else None)


# ---------------------------------------------------------------------- by the address' domain


@each_row(
    ("domain", "provider", "host", "port", "security"),
    [
        ("gmail.com", "gmail_free", "smtp.gmail.com", 465, "ssl_tls"),
        ("googlemail.com", "gmail_free", "smtp.gmail.com", 465, "ssl_tls"),
        ("hotmail.com", "outlook_com_free", "smtp-mail.outlook.com", 587, "starttls"),
        ("outlook.com", "outlook_com_free", "smtp-mail.outlook.com", 587, "starttls"),
        ("outlook.com.br", "outlook_com_free", "smtp-mail.outlook.com", 587, "starttls"),
        ("live.com", "outlook_com_free", "smtp-mail.outlook.com", 587, "starttls"),
        ("msn.com", "outlook_com_free", "smtp-mail.outlook.com", 587, "starttls"),
        ("yahoo.com", "yahoo", "smtp.mail.yahoo.com", 465, "ssl_tls"),
        ("yahoo.com.br", "yahoo", "smtp.mail.yahoo.com", 465, "ssl_tls"),
        ("uol.com.br", "uol", "smtps.uol.com.br", 587, "starttls"),
        ("bol.com.br", "bol", "smtps.bol.com.br", 465, "ssl_tls"),
        ("terra.com.br", "terra", "smtp.terra.com.br", 587, "starttls"),
        ("ig.com.br", "ig", "smtp.ig.com.br", 587, "starttls"),
        ("zoho.com", "zoho_free", "smtp.zoho.com", 465, "ssl_tls"),
        ("zohomail.com", "zoho_free", "smtp.zoho.com", 465, "ssl_tls"),
        ("icloud.com", "icloud", "smtp.mail.me.com", 587, "starttls"),
        ("aol.com", "aol", "smtp.aol.com", 465, "ssl_tls"),
    ],
)
def test_a_domain_brings_its_providers_settings(
    domain: str, provider: str, host: str, port: int, security: str
) -> None:
    suggestion = found(f"ana@{domain}")
    assert (suggestion.provider_id, suggestion.found_by) == (provider, "domain")
    assert (suggestion.host, suggestion.port, suggestion.security) == (host, port, security)
    assert found(domain).provider_id == provider, "the domain alone will do"


def test_a_known_domain_asks_the_dns_nothing() -> None:
    asked: list[str] = []

    def ask(domain: str) -> list[str]:
        asked.append(domain)
        return []

    assert suggest("ana@gmail.com", mx=ask) is not None
    assert suggest("smtp.gmail.com", mx=ask) is not None
    assert asked == []
    assert suggest("ana@exemplo.com.br", mx=ask) is None
    assert asked == ["exemplo.com.br"]


@each_row("domain", ["uol.com.br", "bol.com.br"])
def test_at_uol_and_bol_the_user_is_the_part_before_the_at(domain: str) -> None:
    suggestion = found(f"ana.souza@{domain}")
    assert suggestion.username == "ana.souza"
    assert "O usuário é só a parte antes do @, não o endereço inteiro." in suggestion.warnings
    assert found(domain).username == "", "nobody's address was given"


def test_elsewhere_the_user_is_the_address_or_the_providers_own_word() -> None:
    assert found("ana@gmail.com").username == "ana@gmail.com"
    assert found("smtp.gmail.com").username == ""
    assert found("smtp.sendgrid.net").username == "apikey"
    assert found("smtp.resend.com").username == "resend"
    assert found("email-smtp.us-east-1.amazonaws.com").username == "", "made in the provider's panel"


def test_limits_come_with_their_unit_and_window_or_not_at_all() -> None:
    gmail = found("ana@gmail.com")
    assert (gmail.daily_limit, gmail.limit_unit, gmail.limit_window) == (500, "recipients", "rolling_24h")
    hotmail = found("ana@hotmail.com")
    assert (hotmail.daily_limit, hotmail.limit_unit, hotmail.limit_window) == (300, "messages", "")
    uol = found("ana@uol.com.br")
    assert (uol.daily_limit, uol.limit_unit, uol.limit_window) == (None, "", "")
    assert "Este provedor não publica o limite." in uol.warnings
    zoho = found("ana@zoho.com")
    assert (zoho.daily_limit, zoho.hourly_limit) == (None, 50)
    assert "Este provedor limita por hora, não por dia: a partir de 50 por hora." in zoho.warnings
    emailit = found("smtp.emailit.com")
    assert (emailit.daily_limit, emailit.limit_window, emailit.window_zone) == (5000, "calendar_day", "UTC")
    fastmail = found("ana@fastmail.com")
    assert fastmail.daily_limit is None
    assert fastmail.source in said(fastmail), "who wants the limit is told where it stands"


def test_a_free_account_is_free_and_a_shared_host_is_left_open() -> None:
    assert found("ana@gmail.com").is_paid is False
    assert found("ana@terra.com.br").is_paid is True
    assert found("smtp.gmail.com").is_paid is None
    assert "o limite mostrado é o da gratuita" in said(found("smtp.gmail.com"))
    assert "o limite mostrado é o da gratuita" not in said(found("ana@gmail.com"))


# ---------------------------------------------------------------------- by the host


@each_row(
    ("typed", "provider", "host"),
    [
        ("smtp.gmail.com", "gmail_free", "smtp.gmail.com"),
        ("SMTP.Gmail.COM.", "gmail_free", "smtp.gmail.com"),
        (" https://smtp.gmail.com/ ", "gmail_free", "smtp.gmail.com"),
        ("smtp.gmail.com:465", "gmail_free", "smtp.gmail.com"),
        ("smtp-relay.gmail.com", "gmail_smtp_relay", "smtp-relay.gmail.com"),
        ("smtp.office365.com", "microsoft365", "smtp.office365.com"),
        ("smtp-legacy.office365.com", "microsoft365", "smtp-legacy.office365.com"),
        ("smtp.bol.com.br", "bol", "smtp.bol.com.br"),
        ("email-ssl.com.br", "locaweb", "email-ssl.com.br"),
        ("smtp.zoho.eu", "zoho_free", "smtp.zoho.eu"),
        ("email-smtp.us-east-1.amazonaws.com", "amazon_ses", "email-smtp.us-east-1.amazonaws.com"),
        ("email-smtp.eu-west-1.amazonaws.com", "amazon_ses", "email-smtp.eu-west-1.amazonaws.com"),
        ("email-smtp.sa-east-1.amazonaws.com", "amazon_ses_sa_east_1", "email-smtp.sa-east-1.amazonaws.com"),
        ("smtp.eu.mailgun.org", "mailgun", "smtp.eu.mailgun.org"),
        ("smtp.elasticemail.com", "elastic_email", "smtp.elasticemail.com"),
    ],
)
def test_a_host_brings_its_provider_and_stays_as_typed(typed: str, provider: str, host: str) -> None:
    suggestion = found(typed)
    assert (suggestion.provider_id, suggestion.found_by, suggestion.host) == (provider, "host", host)
    assert provider_id(host) == provider


@each_row(
    "host",
    [
        "xsmtp.gmail.com",
        "smtp.gmail.com.exemplo.com",
        "smtp-gmail.com",
        "email-smtp.amazonaws.com",
        "email-smtp.us-east-1.amazonaws.com.exemplo.com",
        "*.sendgrid.net",
        "sendgrid.net.exemplo.com",
        "notmail.com",
    ],
)
def test_a_host_that_only_resembles_one_is_nobodys(host: str) -> None:
    assert for_host(host) is None
    assert provider_id(host) == ""
    assert suggest(host, mx=off_line) is None


def test_a_domain_or_mx_that_only_resembles_one_is_nobodys() -> None:
    for domain in ("xgmail.com", "gmail.com.br.exemplo.com", "mail.gmail.com", "gmail", "ail.com", "com", ""):
        assert for_domain(domain) is None, domain
    for host in ("xaspmx.l.google.com", "aspmx.l.google.com.exemplo.com", "google.com", "outlook.com", "", "."):
        assert for_mx([host]) is None, host
    assert for_mx([]) is None


def test_a_customers_own_host_is_kept_where_the_provider_has_none_of_its_own() -> None:
    suggestion = found("br123.hostgator.com.br")
    assert suggestion.provider_id == "hostgator_br"
    assert (suggestion.host, suggestion.port, suggestion.security) == ("", None, "")
    assert "não pode ser deduzido" in suggestion.warnings[0]


# ---------------------------------------------------------------------- by who receives the domain's mail


ZONE = {
    "exemplo.com.br": GOOGLE_MX,
    "empresa.com.br": MICROSOFT_MX,
    "europa.com.br": [(10, "mx.zoho.eu"), (20, "mx2.zoho.eu")],
    "loja.com.br": [(10, "mx.core.locaweb.com.br")],
    "filtro.com.br": [(20, "aspmx.l.google.com"), (10, "mx1.filtro.example")],
    "proprio.com.br": [(10, "mx.proprio.com.br")],
    "semmx.com.br": [],
    "recusa.com.br": [(0, ".")],
    "xn--caf-dma.com.br": GOOGLE_MX,
}


@pytest.fixture
def names() -> Iterator[DnsPeer]:
    """A name server that knows a few domains."""
    with DnsPeer(ZONE) as peer:
        yield peer


def asking(peer: DnsPeer, seconds: float = 5) -> Callable[[str], list[str]]:
    return lambda domain: mx_hosts(domain, seconds=seconds, resolver=peer.resolver())


def test_a_domain_hosted_at_google_workspace(names: DnsPeer) -> None:
    suggestion = suggest("ana@exemplo.com.br", mx=asking(names), today=TODAY)
    assert suggestion is not None
    assert (suggestion.provider_id, suggestion.found_by) == ("google_workspace", "mx")
    assert (suggestion.host, suggestion.port, suggestion.username) == ("smtp.gmail.com", 465, "ana@exemplo.com.br")
    assert (suggestion.is_paid, suggestion.daily_limit, suggestion.limit_unit) == (True, 2000, "messages")
    assert "senha de app" in suggestion.warnings[0]
    assert names.queries == ["exemplo.com.br"]


def test_a_domain_hosted_at_microsoft_365(names: DnsPeer) -> None:
    suggestion = suggest("ana@empresa.com.br", mx=asking(names), today=TODAY)
    assert suggestion is not None
    assert (suggestion.provider_id, suggestion.found_by) == ("microsoft365", "mx")
    assert (suggestion.host, suggestion.port, suggestion.security) == ("smtp.office365.com", 587, "starttls")
    assert (suggestion.daily_limit, suggestion.limit_unit) == (10_000, "recipients")
    assert (suggestion.password_login, suggestion.password_ends_on) == ("ends", date(2026, 12, 31))


def test_mail_received_in_a_region_leaves_from_there(names: DnsPeer) -> None:
    suggestion = suggest("ana@europa.com.br", mx=asking(names))
    assert suggestion is not None
    assert (suggestion.provider_id, suggestion.host) == ("zoho_paid", "smtp.zoho.eu")


def test_a_brazilian_hosting_is_found_by_its_mx(names: DnsPeer) -> None:
    suggestion = suggest("ana@loja.com.br", mx=asking(names))
    assert suggestion is not None
    assert (suggestion.provider_id, suggestion.host) == ("locaweb", "email-ssl.com.br")
    assert any("MX da Locaweb não é o de envio" in sentence for sentence in suggestion.warnings)


def test_behind_a_filter_the_next_mx_tells(names: DnsPeer) -> None:
    assert asking(names)("filtro.com.br") == ["mx1.filtro.example", "aspmx.l.google.com"], "the lowest first"
    suggestion = suggest("ana@filtro.com.br", mx=asking(names))
    assert suggestion is not None
    assert suggestion.provider_id == "google_workspace"


def test_an_international_domain_is_asked_for_in_a_labels(names: DnsPeer) -> None:
    suggestion = suggest("ana@CAFÉ.com.br", mx=asking(names))
    assert suggestion is not None
    assert (suggestion.provider_id, suggestion.username) == ("google_workspace", "ana@xn--caf-dma.com.br")
    assert names.queries == ["xn--caf-dma.com.br"]


def test_a_free_providers_mx_for_somebodys_own_domain_says_nothing_of_the_plan() -> None:
    suggestion = suggest("ana@exemplo.com.br", mx=lambda _: ["mx-eu.mail.am0.yahoodns.net"])
    assert suggestion is not None
    assert (suggestion.provider_id, suggestion.is_paid) == ("yahoo", None)


@pytest.mark.parametrize("domain", ["proprio.com.br", "semmx.com.br", "recusa.com.br", "naoexiste.com.br"])
def test_where_the_mx_tells_nothing_nothing_is_proposed(names: DnsPeer, domain: str) -> None:
    assert suggest(f"ana@{domain}", mx=asking(names)) is None
    assert names.queries == [domain]


def test_a_null_mx_is_no_host(names: DnsPeer) -> None:
    assert asking(names)("recusa.com.br") == []


_MISBEHAVIOUR: dict[str, Action] = {
    "silent": Stall(),
    "late": Late(5),
    "silent over TCP": Truncate(Stall()),
    "dripping over TCP": Truncate(Drip()),
    "SERVFAIL": Rcode(dns.rcode.SERVFAIL),
    "REFUSED": Rcode(dns.rcode.REFUSED),
    "cut at the head": Garble(lambda wire: wire[:12]),
    "cut at the end": Garble(lambda wire: wire[:-3]),
    "empty": Garble(lambda wire: b""),
    "garbage": Garble(lambda wire: b"\xff" * 40),
    "noughts": Garble(lambda wire: wire[:2] + bytes(len(wire) - 2)),
    "another's answer": Garble(lambda wire: bytes(2) + wire[2:]),
}


def test_a_name_server_that_misbehaves_does_no_harm() -> None:
    def asked(how: str) -> tuple[ProviderSuggestion | None, str, ProviderSuggestion | None]:
        with DnsPeer(ZONE) as names:
            names.script["exemplo.com.br"] = _MISBEHAVIOUR[how]
            spoilt = suggest("ana@exemplo.com.br", mx=asking(names, SHORT))
            return spoilt, names.queries[0], suggest("ana@empresa.com.br", mx=asking(names))

    for how, (spoilt, asked_for, after) in zip(_MISBEHAVIOUR, side_by_side(asked, _MISBEHAVIOUR), strict=True):
        assert (spoilt, asked_for) == (None, "exemplo.com.br"), how
        assert after is not None, f"{how}: the next look-up is spoilt"


def test_a_long_answer_is_fetched_over_tcp(names: DnsPeer) -> None:
    names.script["exemplo.com.br"] = Truncate()
    assert asking(names)("exemplo.com.br") == [host for _, host in GOOGLE_MX]


def test_nobody_waits_long_by_default() -> None:
    assert 0 < MX_SECONDS <= 3


def test_off_line_nothing_is_known_and_nothing_breaks(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    nobody = dns.resolver.Resolver(configure=False)
    nobody.nameservers, nobody.port = ["127.0.0.1"], port
    assert mx_hosts("exemplo.com.br", seconds=SHORT, resolver=nobody) == []
    nobody.nameservers = []
    assert mx_hosts("exemplo.com.br", seconds=SHORT, resolver=nobody) == []

    def unreadable(_: float) -> dns.resolver.Resolver:
        raise dns.resolver.NoResolverConfiguration

    monkeypatch.setattr(mx, "_system_resolver", unreadable)
    monkeypatch.setattr(mx, "_kept", Kept())
    assert suggest("ana@exemplo.com.br") is None
    assert suggest("ana@gmail.com") is not None, "what stands in the catalogue needs no network"


@pytest.mark.parametrize(
    "name", ["", "com", "localhost", "127.0.0.1", "::1", "::ffff:10.0.0.1", "a b.com", "ana@x.com", "x" * 64 + ".com"]
)
def test_what_is_no_domain_is_never_asked_for(names: DnsPeer, name: str) -> None:
    assert asking(names)(name) == []
    assert names.queries == []


# ---------------------------------------------------------------------- what is kept of the answers


@pytest.fixture
def system(names: DnsPeer, monkeypatch: pytest.MonkeyPatch) -> DnsPeer:
    """The name server as the one that the system is set up with."""
    monkeypatch.setattr(mx, "_system_resolver", lambda _: names.resolver())
    monkeypatch.setattr(mx, "_kept", Kept())
    return names


def test_an_answer_is_kept_under_every_spelling(system: DnsPeer) -> None:
    for spelling in ("exemplo.com.br", "EXEMPLO.com.br.", " exemplo.com.br "):
        assert mx_hosts(spelling) == [host for _, host in GOOGLE_MX]
    assert mx_hosts("naoexiste.com.br") == mx_hosts("naoexiste.com.br") == []
    assert system.queries == ["exemplo.com.br", "naoexiste.com.br"]


def test_who_changes_the_list_changes_nothing_kept(system: DnsPeer) -> None:
    mx_hosts("exemplo.com.br").clear()
    mx_hosts("exemplo.com.br").append("mx.exemplo.org")
    assert mx_hosts("exemplo.com.br") == [host for _, host in GOOGLE_MX]


def test_a_resolver_of_ones_own_keeps_nothing(system: DnsPeer) -> None:
    asking(system)("exemplo.com.br")
    asking(system)("exemplo.com.br")
    assert len(system.queries) == 2


def test_nothing_found_is_forgotten_sooner_than_something() -> None:
    now = 1_000.0
    kept = Kept(clock=lambda: now)
    kept.put("a.com", ["mx.a.com"])
    kept.put("b.com", [])
    now += 59
    assert (kept.get("a.com"), kept.get("b.com")) == (["mx.a.com"], [])
    now += 1
    assert (kept.get("a.com"), kept.get("b.com")) == (["mx.a.com"], None)
    now += 3_539
    assert kept.get("a.com") == ["mx.a.com"]
    now += 1
    assert kept.get("a.com") is None
    assert len(kept) == 0


def test_the_least_recently_used_goes_first() -> None:
    kept = Kept(size=2)
    kept.put("a.com", ["mx.a.com"])
    kept.put("b.com", ["mx.b.com"])
    kept.get("a.com")
    kept.put("c.com", ["mx.c.com"])
    assert [kept.get(name) is not None for name in ("a.com", "b.com", "c.com")] == [True, False, True]
    kept.clear()
    assert len(kept) == 0


# ---------------------------------------------------------------------- what one is warned of


@each_row(
    ("address", "page"),
    [
        ("ana@gmail.com", "https://myaccount.google.com/apppasswords"),
        ("ana@googlemail.com", "https://myaccount.google.com/apppasswords"),
        ("ana@yahoo.com.br", "https://login.yahoo.com/account/security"),
        ("ana@icloud.com", "https://account.apple.com"),
    ],
)
def test_an_app_password_is_asked_for_first_of_all_and_where_to_make_it(address: str, page: str) -> None:
    suggestion = found(address)
    assert suggestion.password_login == "app_password"
    first = suggestion.warnings[0]
    assert first.startswith("A senha da conta não serve: crie uma senha de app em")
    assert page in first


def test_where_no_page_is_known_the_app_password_is_asked_for_all_the_same() -> None:
    assert found("ana@fastmail.com").warnings[0] == (
        "A senha da conta não serve: crie uma senha de app nas configurações de segurança da conta "
        "e use-a no lugar dela."
    )


@each_row("address", ["ana@outlook.com", "ana@hotmail.com", "ana@live.com", "ana@msn.com"])
@each_row("today", [TODAY, date(2031, 1, 1)])
def test_at_outlook_com_no_password_works_any_more(address: str, today: date) -> None:
    suggestion = found(address, today=today)
    assert (suggestion.password_login, suggestion.auth) == ("retired", ("oauth2",))
    first = suggestion.warnings[0]
    assert "não aceita mais senha, nem senha de app, desde 16/09/2024" in first
    assert "crie uma senha de app" not in said(suggestion)


@each_row(
    ("today", "words"),
    [
        (date(2026, 11, 24), "vai parar de funcionar no fim de dezembro de 2026"),
        (date(2026, 12, 31), "vai parar de funcionar no fim de dezembro de 2026"),
        (date(2027, 1, 1), "vem desligado desde o fim de dezembro de 2026"),
        (date(2030, 6, 1), "vem desligado desde o fim de dezembro de 2026"),
    ],
)
def test_at_microsoft_365_the_password_is_on_its_way_out(today: date, words: str) -> None:
    for text in ("smtp.office365.com", "ana@empresa.onmicrosoft.com", "ana@onmicrosoft.com"):
        suggestion = suggest(text, mx=lambda _: ["x.mail.protection.outlook.com"], today=today)
        assert suggestion is not None
        assert words in suggestion.warnings[0]
        assert "administrador" in suggestion.warnings[0]
        assert "password" in suggestion.auth, "it may have been switched on again"


def test_the_hosts_whose_password_login_ends_are_told_with_the_day() -> None:
    assert password_login_ends() == {
        "smtp-mail.outlook.com": date(2024, 9, 16),
        "smtp.office365.com": date(2026, 12, 31),
        "smtp-legacy.office365.com": date(2026, 12, 31),
    }


@every_provider
def test_a_figure_of_low_confidence_says_so(row: Provider) -> None:
    sentences = warnings(row, domain="", sharing=[], today=TODAY)
    limit = [sentence for sentence in sentences if sentence.startswith("Limite não confirmado pelo provedor")]
    assert len(limit) == (row.daily_limit is not None and row.confidence != "official")
    settings = [sentence for sentence in sentences if sentence.startswith("Servidor e porta não confirmados")]
    assert len(settings) == (row.host != "" and row.settings_confidence == "unverified")


def test_a_suggestion_says_where_its_limit_was_read_and_how_far_to_trust_it() -> None:
    yahoo = found("ana@yahoo.com")
    assert (yahoo.confidence, yahoo.source) == ("secondary", by_id("yahoo").source)
    assert yahoo.read_on == by_id("yahoo").read_on
    assert "Limite não confirmado pelo provedor: o número vem de terceiros." in yahoo.warnings
    icloud = found("ana@icloud.com")
    assert icloud.confidence == "official"
    assert "não confirmado" not in said(icloud)
    terra = found("ana@terra.com.br")
    assert (terra.confidence, terra.source) == ("unverified", CODE_ONLY)
    assert "só foram vistos em programas públicos" in said(terra)


def test_trying_again_at_yandex_makes_the_block_longer() -> None:
    assert any("soma 24 horas de bloqueio" in sentence for sentence in found("ana@yandex.com").warnings)
    assert "24 horas de bloqueio" not in said(found("ana@gmail.com"))


def test_a_free_proton_account_cannot_send_from_here() -> None:
    suggestion = found("ana@proton.me")
    assert (suggestion.host, suggestion.port) == ("", None)
    assert any("não pode ser usada aqui" in sentence for sentence in suggestion.warnings)


@each_row("today", [TODAY, date(2027, 1, 1)])
@every_provider
def test_warnings_are_whole_sentences_each_said_once(row: Provider, today: date) -> None:
    for domain in ("", "exemplo.com.br"):
        sentences = warnings(row, domain=domain, sharing=[row], today=today)
        assert len(set(sentences)) == len(sentences)
        for sentence in sentences:
            assert sentence[0].isupper()
            assert sentence.endswith(".")
            assert "  " not in sentence
            assert "None" not in sentence


# ---------------------------------------------------------------------- as people type


@each_row(
    ("typed", "username"),
    [
        ("Ana@GMAIL.COM", "Ana@gmail.com"),
        ("  ana@gmail.com\n", "ana@gmail.com"),
        ("Ana Souza <ana@gmail.com>", "ana@gmail.com"),
        ("<ana@gmail.com>", "ana@gmail.com"),
        ("ana@gmail.com;", "ana@gmail.com"),
        ("ana+loja@gmail.com", "ana+loja@gmail.com"),
        ("ana@ｇｍａｉｌ.com", "ana@gmail.com"),
        ("\u200bana@gmail.com\ufeff", "ana@gmail.com"),
        ("joão@gmail.com", "joão@gmail.com"),
    ],
)
def test_an_address_is_read_through_what_was_typed_along(typed: str, username: str) -> None:
    suggestion = found(typed)
    assert (suggestion.provider_id, suggestion.username) == ("gmail_free", username)


@each_row(
    "typed",
    [
        "",
        "   ",
        "ana",
        "@",
        "ana@",
        "@gmail.com",
        "ana@@gmail.com",
        "ana@gmail",
        "ana@gmail..com",
        "ana souza@gmail.com",
        "ana@g mail.com",
        "ana@gmail.com bia@gmail.com",
        "ana@gmail.com, bia@uol.com.br",
        "ana@[127.0.0.1]",
        "127.0.0.1",
        "[::1]",
        "http://",
        "ana@😀.exemplo",
        "ana@xn--.com",
        "\x00",
        "ana@gmail.com\x00",
        "\ud800@gmail.com",
        "ana@\udcff.com",
        "%s%n{0}",
        "' OR 1=1 --",
        "<>",
        "a" * 100_000,
        "@" * 10_000,
        f"ana@{'a.' * 5_000}com",
        f"ana@{'é' * 300}.com",
    ],
)
def test_rubbish_finds_nothing_and_breaks_nothing(typed: str) -> None:
    assert suggest(typed, mx=off_line) is None


@hypothesis_settings(max_examples=examples(100), deadline=None)
@given(st.text(max_size=60) | st.from_regex(r"[^@]{0,9}@[^@]{0,20}(\.com)?", fullmatch=True))
def test_nothing_that_can_be_typed_raises(typed: str) -> None:
    suggestion = suggest(typed, mx=lambda _: ["aspmx.l.google.com"])
    assert suggestion is None or suggestion.provider_id


def test_a_tenant_s_first_domain_at_microsoft_is_known_off_line() -> None:
    assert for_domain("empresa.onmicrosoft.com") is not None
    assert for_domain("onmicrosoft.com.evil.example") is None
    assert for_domain("a.b.onmicrosoft.com") is None
