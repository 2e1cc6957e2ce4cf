"""OpenID Connect: to the identity provider and back, with Streamlit's own settings (``[auth]``) and through Authlib.

What comes back is checked here and not by ``st.login``: its cookie says who somebody is for thirty days and cannot be
taken back. Here a session of ours begins, like that of a password, and the cookie is never made.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import streamlit as st
from starlette.responses import RedirectResponse, Response
from streamlit import config

from mailcore.access.entrance import Identity
from mailcore.errors import MailcoreError, SignInRefusedError
from mailcore.settings import Door
from ui.door.answers import form_of, page, within_app
from ui.door.html import Way, refusal_page
from ui.door.knock import Knock, base_path

if TYPE_CHECKING:
    from starlette.requests import Request

    from ui.door.keeper import Keeper

    Enter = Callable[[Knock, str, str], Response]
    Work = Callable[..., Awaitable[Any]]

_log = logging.getLogger(__name__)

_WANTED = "mailcore_next"
_WAY = "mailcore_way"
_ONE = "default"
"""What a provider is called that stands in ``[auth]`` itself."""
_KNOWN = {
    "accounts.google.com": "Google",
    "login.microsoftonline.com": "Microsoft",
    "login.microsoftonline.us": "Microsoft",
}
_LEEWAY_SECONDS = 120
"""How far the provider's clock may be from ours."""


def ways() -> list[Way]:
    """Return the identity providers that are set up, as the page calls them."""
    section = _section()
    found = [name for name, value in section.items() if hasattr(value, "keys") and value.get("client_id")]
    if section.get("client_id"):
        found.insert(0, _ONE)
    return [Way(name, _label(name, _of(name))) for name in found]


class OpenId:
    """The way out to a provider, and the way back in."""

    def __init__(self, keeper: Keeper, enter: Enter, work: Work) -> None:
        self._keeper = keeper
        self._enter = enter
        self._work = work

    async def begin(self, request: Request) -> Response:
        """Send the browser to the provider."""
        knock: Knock = request.state.knock
        if not knock.is_from_here:
            return await self._refused(knock, "other_site", "expirou")
        name = request.path_params["name"]
        try:
            if Door.OIDC not in await self._work(self._keeper.doors) or name not in [way.name for way in ways()]:
                return RedirectResponse(f"{base_path()}/entrar", status_code=303)
        except MailcoreError:
            return RedirectResponse(f"{base_path()}/entrar", status_code=303)
        wanted = (await form_of(request)).get("next", "")
        request.session.clear()
        request.session[_WANTED], request.session[_WAY] = within_app(wanted), name
        try:
            answer: Response = await _client(name).authorize_redirect(request, _redirect_uri())
        except Exception as error:  # noqa: BLE001 - Authlib and httpx have no common root, and their texts name addresses
            _log.warning("the identity provider %s did not answer (%s)", name, type(error).__name__)
            return await self._refused(knock, "provider_down", "provedor")
        answer.status_code = 303  # after a form: the browser must ask with GET
        return answer

    async def callback(self, request: Request) -> Response:
        """Let in whom the provider vouches for."""
        knock: Knock = request.state.knock
        name, wanted = request.session.get(_WAY, ""), request.session.get(_WANTED, f"{base_path()}/")
        try:
            is_open = Door.OIDC in await self._work(self._keeper.doors)
        except MailcoreError:
            is_open = False
        if not is_open or name not in [way.name for way in ways()]:
            return await self._refused(knock, "state_unknown", "expirou")
        try:
            claims = await _claims(name, request)
        except Exception as error:  # noqa: BLE001 - Authlib, joserfc and httpx have no common root
            request.session.clear()
            reason = _reason(error)
            # Without the error's own text: it may repeat what the provider sent.
            _log.warning("sign-in by %s refused: %s (%s)", name, reason, type(error).__name__)
            return await self._refused(knock, reason, _SAID.get(reason, "conta"))
        request.session.clear()
        identity = Identity(
            name, str(claims.get("email") or ""), _verified(claims.get("email_verified")), str(claims.get("name") or "")
        )

        def try_it() -> str:
            return self._keeper.core.access.enter_by_provider(identity, knock.visitor, earlier=knock.token)

        try:
            return self._enter(knock, await self._work(try_it), wanted)
        except SignInRefusedError:
            return _back("conta")
        except MailcoreError as error:
            return page(refusal_page(str(error)), 503)

    async def _refused(self, knock: Knock, reason: str, said: str) -> Response:
        try:
            await self._work(self._keeper.core.access.note_refusal, reason, Door.OIDC, knock.visitor)
        except MailcoreError:
            _log.exception("a refusal could not be noted")
        return _back(said)


_SAID = {
    "provider_down": "provedor",
    "provider_refused": "expirou",
    "state_unknown": "expirou",
}


def _back(said: str) -> Response:
    return RedirectResponse(f"{base_path()}/entrar?erro={said}", status_code=303)


async def _claims(name: str, request: Request) -> dict[str, Any]:
    """Trade the code for an ID token and return what it says, signature and every claim checked."""
    client = _client(name)
    metadata = await client.load_server_metadata()
    # Said outright: by itself Authlib takes a token made for somebody else if only “azp” names us.
    options = {
        "iss": {"essential": True, "values": [metadata["issuer"]]},
        "aud": {"essential": True, "values": [client.client_id]},
        "exp": {"essential": True},
    }
    token = await client.authorize_access_token(request, claims_options=options, leeway=_LEEWAY_SECONDS)
    claims = token.get("userinfo")
    if not claims:
        raise ValueError("no ID token came, or none that was asked for here")
    return dict(claims)


def _client(name: str) -> Any:
    from authlib.integrations.starlette_client import OAuth

    section = _of(name)
    asked = dict(section.get("client_kwargs") or {})
    asked.setdefault("scope", "openid email profile")
    asked.setdefault("prompt", "select_account")
    asked.setdefault("code_challenge_method", "S256")
    # A client each time: its copy of the provider's keys is then never older than this sign-in.
    return OAuth().register(
        name,
        client_id=section.get("client_id"),
        client_secret=section.get("client_secret"),
        server_metadata_url=section.get("server_metadata_url"),
        client_kwargs=asked,
    )


def _section() -> Any:
    try:
        return st.secrets.get("auth", {})
    except FileNotFoundError:  # there is no secrets.toml
        return {}


def _of(name: str) -> Any:
    section = _section()
    return section if name == _ONE else section.get(name, {})


def _redirect_uri() -> str:
    address = str(_section().get("redirect_uri", ""))
    return address.replace("{port}", str(config.get_option("server.port")))


def _label(name: str, section: Any) -> str:
    host = urlsplit(str(section.get("server_metadata_url", ""))).hostname or ""
    if name == _ONE:
        return _KNOWN.get(host, host)
    return {"google": "Google", "microsoft": "Microsoft", "entra": "Microsoft"}.get(name, name.capitalize())


def _verified(claim: object) -> bool | None:
    """True and false as some providers spell them; absent is not verified, and neither is anything else."""
    if claim is None:
        return None
    return claim is True or claim == "true"


def _reason(error: Exception) -> str:
    """Tell apart, for the trail alone, why an identity was not believed."""
    import httpx
    from authlib.integrations.base_client import MismatchingStateError, OAuthError
    from joserfc.errors import ExpiredTokenError, InvalidClaimError

    if isinstance(error, MismatchingStateError):
        return "state_unknown"
    if isinstance(error, ExpiredTokenError) or getattr(error, "error", "") == "expired_token":
        return "token_expired"
    if isinstance(error, InvalidClaimError) or getattr(error, "error", "") in ("invalid_claim", "invalid_token"):
        claim = getattr(error, "claim", None) or getattr(error, "claim_name", None) or str(error)
        for name, reason in _CLAIMS.items():
            if name in str(claim):
                return reason
        return "token_invalid"
    if isinstance(error, httpx.HTTPError):
        return "provider_down"
    if isinstance(error, OAuthError):
        return "provider_refused"
    return "token_invalid"


_CLAIMS = {
    "aud": "token_audience",
    "azp": "token_audience",
    "iss": "token_issuer",
    "nonce": "token_nonce",
    "iat": "token_too_early",
    "nbf": "token_too_early",
}
