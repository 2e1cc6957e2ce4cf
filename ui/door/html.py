"""The door's own pages: plain HTML without a script, in light and dark, for keyboard and screen reader."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from html import escape
from importlib import resources
from typing import NamedTuple

from mailcore.access.passwords import SHORTEST
from ui.door.knock import base_path

APP = "Servidores de e-mail"
_RULE = f"Pelo menos {SHORTEST} caracteres. Uma frase que só você diria serve bem."


class Way(NamedTuple):
    """An identity provider one can enter with."""

    name: str
    label: str


def sign_in_page(
    *, fields: bool, ways: Sequence[Way], wanted: str, email: str = "", error: str = "", news: str = ""
) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    """The page ``Entrar``; returns its body and headers.

    Args:
        fields: whether one can enter with e-mail and password.
        ways: the identity providers.
        wanted: the page of the app to go to afterwards.
        email: what was typed, to be kept.
    """
    hidden = f'<input type="hidden" name="next" value="{escape(wanted)}">'
    parts = [_note(error, "bad"), _note(news, "good")]
    if fields:
        focus_email, focus_password = ("", " autofocus") if email else (" autofocus", "")
        parts.append(
            f'<form method="post" action="{base_path()}/entrar">{hidden}'
            '<label for="email">E-mail</label>'
            f'<input id="email" name="email" type="text" inputmode="email" autocapitalize="none" spellcheck="false" '
            f'autocomplete="username" required maxlength="320" value="{escape(email)}"{focus_email}>'
            '<label for="password">Senha</label>'
            '<input id="password" name="password" type="password" autocomplete="current-password" required '
            f'maxlength="256"{focus_password}>'
            '<button type="submit">Entrar</button></form>'
        )
    if fields and ways:
        parts.append("<hr>")
    parts += [
        f'<form method="post" action="{base_path()}/entrar/com/{escape(way.name)}">{hidden}'
        f'<button type="submit" class="other">Entrar com {escape(way.label)}</button></form>'
        for way in ways
    ]
    if not fields and not ways:
        parts.append("<p>Quem entra aqui é apresentado pelo proxy da empresa. Abra o programa pelo endereço dele.</p>")
    if fields:
        parts.append('<p class="hint">Esqueceu a senha? Peça a um administrador um link para criar outra.</p>')
    return _page("Entrar", parts)


def password_page(*, link: str, error: str = "") -> tuple[bytes, list[tuple[bytes, bytes]]]:
    """The page on which somebody sets their password."""
    return _page(
        "Criar senha",
        [
            _note(error, "bad"),
            f'<form method="post" action="{base_path()}/entrar/senha">',
            f'<input type="hidden" name="link" value="{escape(link)}">',
            '<label for="password">Nova senha</label>',
            '<input id="password" name="password" type="password" autocomplete="new-password" required autofocus',
            ' maxlength="256" aria-describedby="rule">',
            '<label for="again">Repita a senha</label>',
            '<input id="again" name="again" type="password" autocomplete="new-password" required maxlength="256">',
            '<button type="submit">Gravar senha</button></form>',
            f'<p class="hint" id="rule">{_RULE}</p>',
        ],
    )


def own_password_page(*, email: str, error: str = "") -> tuple[bytes, list[tuple[bytes, bytes]]]:
    """The page on which somebody who is signed in changes their password."""
    return _page(
        "Trocar senha",
        [
            _note(error, "bad"),
            f'<form method="post" action="{base_path()}/entrar/minha-senha">',
            # For the browser's store of passwords, which wants to know whose it is.
            f'<input type="hidden" name="email" autocomplete="username" value="{escape(email)}">',
            '<label for="current">Senha atual</label>',
            '<input id="current" name="current" type="password" autocomplete="current-password" required autofocus',
            ' maxlength="256">',
            '<label for="password">Nova senha</label>',
            '<input id="password" name="password" type="password" autocomplete="new-password" required',
            ' maxlength="256" aria-describedby="rule">',
            '<label for="again">Repita a nova senha</label>',
            '<input id="again" name="again" type="password" autocomplete="new-password" required maxlength="256">',
            '<button type="submit">Gravar senha</button></form>',
            f'<p class="hint" id="rule">{_RULE} As suas outras sessões terminam.</p>',
        ],
    )


def changed_page() -> tuple[bytes, list[tuple[bytes, bytes]]]:
    """Said to who has changed their password; the page they came from still stands open."""
    return _page(
        "Senha trocada",
        [
            "<p>Neste navegador você continua dentro; nos outros, entre de novo com a senha nova.</p>",
            "<p>Volte para a aba em que estava: o que foi digitado continua lá.</p>",
            f'<p><a class="button" href="{base_path()}/">Abrir o programa aqui</a></p>',
        ],
    )


def leave_page() -> tuple[bytes, list[tuple[bytes, bytes]]]:
    """The page that asks before it ends a session, for who followed a link to it."""
    return _page(
        "Sair",
        [
            "<p>Encerrar a sua sessão neste navegador?</p>",
            f'<form method="post" action="{base_path()}/entrar/sair"><button type="submit">Sair</button></form>',
        ],
    )


def back_page() -> tuple[bytes, list[tuple[bytes, bytes]]]:
    """The page shown to who signed in again beside a page that still stands open."""
    return _page(
        "Você entrou",
        [
            "<p>Volte para a aba em que estava: o que foi digitado continua lá.</p>",
            f'<p><a class="button" href="{base_path()}/">Abrir o programa aqui</a></p>',
        ],
    )


def authorized_page(error: str = "") -> tuple[bytes, list[tuple[bytes, bytes]]]:
    """Where the provider's page leads back to: go back to the form."""
    if error:
        return _page("A autorização não foi feita", [_note(error, "bad"), "<p>Volte para a aba do cadastro.</p>"])
    return _page("Autorizado", ["<p>Pode fechar esta aba e voltar para a do cadastro: ela percebe sozinha.</p>"])


def unsubscribe_page(recipient: str) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    """The page that asks before somebody unsubscribes: programs that look at links press no button."""
    return _page(
        "Não receber mais",
        [
            f"<p><b>{escape(recipient)}</b> não recebe mais divulgação. Avisos e faturas continuam chegando.</p>",
            '<form method="post"><button type="submit">Confirmar</button></form>',
        ],
    )


def unsubscribed_page(recipient: str) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    """Said to who has unsubscribed."""
    return _page("Pronto", [f"<p><b>{escape(recipient)}</b> não recebe mais divulgação.</p>"])


def unsubscribe_fault_page(sentence: str) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    """Said where that did not work."""
    return _page("Não receber mais", [_note(sentence, "bad")])


def refusal_page(sentence: str) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    """A page that says why nobody passes."""
    return _page("Não foi possível entrar", [_note(sentence, "bad")])


def _note(sentence: str, kind: str) -> str:
    return f'<p class="note {kind}" role="alert">{escape(sentence)}</p>' if sentence else ""


def _page(title: str, parts: Sequence[str]) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    css, digest = _style()
    body = (
        f'<!DOCTYPE html><html lang="pt-BR"><head><meta charset="utf-8"><title>{title} · {APP}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="robots" content="noindex">'
        f'<link rel="icon" href="data:,"><style>{css}</style></head>'
        f'<body><main><p class="app">{APP}</p><h1>{title}</h1>{"".join(parts)}</main></body></html>'
    )
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; frame-ancestors 'none'"
    return body.encode(), [
        (b"content-type", b"text/html; charset=utf-8"),
        (b"content-security-policy", policy.encode()),
        (b"x-content-type-options", b"nosniff"),
        # Not “no-referrer”: with that a browser posts forms with “Origin: null”, and the check of it would fail.
        (b"referrer-policy", b"same-origin"),
    ]


@cache
def _style() -> tuple[str, str]:
    css = resources.files("ui.door").joinpath("door.css").read_text("utf-8")
    return css, b64encode(sha256(css.encode()).digest()).decode()
