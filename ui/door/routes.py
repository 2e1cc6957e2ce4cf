"""The door's own addresses: ``/entrar``, setting a password by link, going out. OpenID Connect has its own file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeVar

import anyio
from pydantic import SecretStr
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from mailcore.access.entrance import BAD_LINK
from mailcore.batches.unsubscribing import PATH
from mailcore.errors import MailcoreError, SignInRefusedError, ValidationError
from mailcore.settings import Door
from ui.door import openid
from ui.door.answers import form_of, page, within_app
from ui.door.html import (
    back_page,
    changed_page,
    leave_page,
    own_password_page,
    password_page,
    refusal_page,
    sign_in_page,
)
from ui.door.keeper import Keeper, Refused
from ui.door.knock import COOKIE, Knock, base_path
from ui.door.oauth_return import OAuthReturn
from ui.door.unsubscribing import Unsubscribing

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from mailcore.access.sessions import Entered

T = TypeVar("T")

_COOKIE_SECONDS = 7 * 24 * 3600
"""As long as a session can last; whether it still does, the database says."""
_AT_ONCE = 8
"""Requests of people not yet let in that are worked on side by side; everybody else has Streamlit's own threads."""
_NEWS = {
    "saiu": "Você saiu.",
    "fim": "Sua sessão terminou. Entre de novo para continuar.",
    "senha": "Senha gravada. Entre com ela.",
}
_ERRORS = {
    "conta": "Não foi possível entrar com esta conta. Fale com quem administra este programa.",
    "provedor": "O serviço de login da empresa não respondeu. Tente de novo em alguns minutos, ou entre de outro modo.",
    "expirou": "A entrada não foi concluída. Tente de novo.",
}
_OTHER_SITE = "Este formulário não veio desta página. Abra o programa pelo endereço dele e tente de novo."
_NOT_TOGETHER = "As duas senhas não são iguais. Digite de novo."


class Routes:
    """The handlers; each asks the library and turns its answer into a page."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper
        self._limiter: anyio.CapacityLimiter | None = None

    def all(self) -> list[BaseRoute]:
        """Every route of the door."""
        base, way = base_path(), openid.OpenId(self._keeper, self.enter, self.work)
        returning = OAuthReturn(self._keeper, self.work)
        unsubscribing = Unsubscribing(self._keeper, self.work)
        return [
            Route(f"{base}/entrar", self.sign_in, methods=["GET", "POST"]),
            Route(f"{base}/entrar/senha", self.password, methods=["GET", "POST"]),
            Route(f"{base}/entrar/minha-senha", self.own_password, methods=["GET", "POST"]),
            Route(f"{base}/entrar/sair", self.leave, methods=["POST"]),
            Route(f"{base}/entrar/estado", self.state, methods=["GET"]),
            Route(f"{base}/entrar/pronto", self.back, methods=["GET"]),
            Route(f"{base}/entrar/com/{{name}}", way.begin, methods=["POST"]),
            # In the place of Streamlit's own: its identity cookie could not be taken back.
            Route(f"{base}/oauth2callback", way.callback, methods=["GET"]),
            Route(f"{base}/auth/login", _not_here, methods=["GET"]),
            Route(f"{base}/auth/logout", self.signed_out, methods=["GET"]),
            Route(f"{base}/oauth/retorno", returning.back, methods=["GET"]),
            Route(f"{base}/oauth/pronto", returning.done, methods=["GET"]),
            Route(f"{base}/{PATH}/{{token}}", unsubscribing.ask, methods=["GET"]),
            Route(f"{base}/{PATH}/{{token}}", unsubscribing.do, methods=["POST"]),
        ]

    async def work(self, act: Callable[..., T], *about: object) -> T:
        """Do what waits for the database or computes a hash in a thread of the door's own."""
        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(_AT_ONCE)
        return await anyio.to_thread.run_sync(act, *about, limiter=self._limiter)

    def enter(self, knock: Knock, token: str, wanted: str) -> Response:
        """Answer who was let in: a cookie no script can read, and on to the page they wanted."""
        response = RedirectResponse(wanted, status_code=303, headers={"cache-control": "no-store"})
        response.set_cookie(
            COOKIE,
            token,
            max_age=_COOKIE_SECONDS,
            path=base_path() or "/",
            httponly=True,
            samesite="lax",
            secure=knock.is_https,
        )
        return response

    async def sign_in(self, request: Request) -> Response:
        """``Entrar``: the form, and what becomes of it."""
        knock: Knock = request.state.knock
        if request.method == "GET":
            wanted = within_app(request.query_params.get("next", ""))
            if not {"aviso", "erro"} & set(request.query_params) and await self._is_in(knock):
                return RedirectResponse(wanted, status_code=303)
            news = _NEWS.get(request.query_params.get("aviso", ""), "")
            error = _ERRORS.get(request.query_params.get("erro", ""), "")
            return await self._form(knock, wanted, news=news, error=error)
        if not knock.is_from_here:
            return await self._another_site(knock)
        form = await form_of(request)
        wanted, email = within_app(form.get("next", "")), form.get("email", "")[:320]
        try:
            if Door.ACCOUNTS not in await self.work(self._keeper.doors):
                return await self._form(knock, wanted)
            access = self._keeper.core.access

            def try_it() -> str:
                return access.sign_in(email, SecretStr(form.get("password", "")), knock.visitor, earlier=knock.token)

            return self.enter(knock, await self.work(try_it), wanted)
        except SignInRefusedError as error:
            status = 429 if error.wait_seconds else 401
            response = await self._form(knock, wanted, email=email, error=str(error), status=status)
            if error.wait_seconds:
                response.headers["retry-after"] = str(error.wait_seconds)
            return response
        except MailcoreError as error:
            return await self._form(knock, wanted, email=email, error=str(error), status=503)

    async def _form(
        self, knock: Knock, wanted: str, *, email: str = "", error: str = "", news: str = "", status: int = 200
    ) -> Response:
        try:
            doors = await self.work(self._keeper.doors)
        except MailcoreError as fault:
            return page(refusal_page(str(fault)), 503)
        if Door.NONE in doors:
            return RedirectResponse(f"{base_path()}/", status_code=303)
        ways = openid.ways() if Door.OIDC in doors else []
        fields = Door.ACCOUNTS in doors
        return page(sign_in_page(fields=fields, ways=ways, wanted=wanted, email=email, error=error, news=news), status)

    async def _is_in(self, knock: Knock) -> bool:
        try:
            await self.work(self._keeper.who, knock)
        except (Refused, MailcoreError):
            return False
        return True

    async def password(self, request: Request) -> Response:
        """Set one's password with a link of one use; to look at the page does not use the link up."""
        knock: Knock = request.state.knock
        access = self._keeper.core.access
        try:
            if request.method == "GET":
                link = request.query_params.get("link", "")[:200]
                is_good = await self.work(access.link_is_good, link)
                return page(password_page(link=link)) if is_good else page(refusal_page(BAD_LINK), 404)
            if not knock.is_from_here:
                return await self._another_site(knock)
            form = await form_of(request)
            link, password = form.get("link", "")[:200], form.get("password", "")
            if password != form.get("again", ""):
                return page(password_page(link=link, error=_NOT_TOGETHER), 400)
            await self.work(access.set_password, link, SecretStr(password), knock.visitor)
        except ValidationError as error:
            return page(password_page(link=link, error=str(error)), 400)
        except SignInRefusedError as error:
            return page(refusal_page(str(error)), 404)
        except MailcoreError as error:
            return page(refusal_page(str(error)), 503)
        return RedirectResponse(f"{base_path()}/entrar?aviso=senha", status_code=303)

    async def own_password(self, request: Request) -> Response:
        """Change one's own password; whoever is not in is sent to the door first."""
        knock: Knock = request.state.knock
        try:
            entered: Entered | None = await self.work(self._keeper.who, knock)
        except Refused:
            return RedirectResponse(f"{base_path()}/entrar?next={base_path()}/entrar/minha-senha", status_code=303)
        except MailcoreError as error:
            return page(refusal_page(str(error)), 503)
        if entered is None or entered.door != Door.ACCOUNTS:
            return RedirectResponse(f"{base_path()}/", status_code=303)
        if request.method == "GET":
            is_done = request.query_params.get("aviso") == "trocada"
            return page(changed_page() if is_done else own_password_page(email=entered.email))
        if not knock.is_from_here:
            return await self._another_site(knock)
        return await self._change_password(knock, entered, await form_of(request))

    async def _change_password(self, knock: Knock, entered: Entered, form: Mapping[str, str]) -> Response:
        def again(error: str, status: int) -> Response:
            return page(own_password_page(email=entered.email, error=error), status)

        current, password = SecretStr(form.get("current", "")), SecretStr(form.get("password", ""))
        if password.get_secret_value() != form.get("again", ""):
            return again(_NOT_TOGETHER, 400)
        change = self._keeper.core.access.change_password
        try:
            token = await self.work(change, entered, current, password, knock.visitor)
        except ValidationError as error:
            return again(str(error), 400)
        except SignInRefusedError as error:
            return again(str(error), 429 if error.wait_seconds else 401)
        except MailcoreError as error:
            return again(str(error), 503)
        return self.enter(knock, token, f"{base_path()}/entrar/minha-senha?aviso=trocada")

    async def signed_out(self, request: Request) -> Response:
        """Where ``Sair`` of the menu leads once the session is over; a link that leads here straight asks first."""
        if await self._is_in(request.state.knock):
            return page(leave_page())
        return _out("saiu")

    async def leave(self, request: Request) -> Response:
        """End the session."""
        knock: Knock = request.state.knock
        if not knock.is_from_here:
            return await self._another_site(knock)
        try:
            entered: Entered | None = await self.work(self._keeper.who, knock)
            if entered is not None:
                await self.work(self._keeper.core.access.sign_out, entered, knock.visitor)
        except Refused:
            pass
        except MailcoreError as error:
            return page(refusal_page(str(error)), 503)
        return _out("saiu")

    async def state(self, request: Request) -> Response:
        """Whether this browser is signed in: what an open page asks when its connection ends."""
        return JSONResponse({"entrou": await self._is_in(request.state.knock)}, headers={"cache-control": "no-store"})

    async def back(self, request: Request) -> Response:
        """Said to who signed in again beside a page that still stands open."""
        return page(back_page())

    async def _another_site(self, knock: Knock) -> Response:
        try:
            await self.work(self._keeper.core.access.note_refusal, "other_site", Door.ACCOUNTS, knock.visitor)
        except MailcoreError as error:
            return page(refusal_page(str(error)), 503)
        return page(refusal_page(_OTHER_SITE), 403)


def _out(news: str) -> Response:
    response = RedirectResponse(f"{base_path()}/entrar?aviso={news}", status_code=303)
    response.delete_cookie(COOKIE, path=base_path() or "/", httponly=True, samesite="lax")
    return response


async def _not_here(_: Request) -> Response:
    return RedirectResponse(f"{base_path()}/entrar", status_code=303)
