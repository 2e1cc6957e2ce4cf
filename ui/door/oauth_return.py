"""Where the provider's page sends the browser back: the code is taken, and no address with it stays in the bar."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from starlette.responses import RedirectResponse, Response

from mailcore.actor import computer_user
from mailcore.diagnosis.texts import diagnosis_for, texts
from mailcore.errors import MailcoreError
from mailcore.oauth.faults import OAuthError
from ui.door.answers import page
from ui.door.html import authorized_page
from ui.door.knock import base_path

if TYPE_CHECKING:
    from starlette.requests import Request

    from mailcore.access.sessions import Entered
    from ui.door.keeper import Keeper

_DONE = "ok"


class OAuthReturn:
    """The two addresses; whoever comes has passed the gate, and may finish only what they began themselves."""

    def __init__(self, keeper: Keeper, work: Callable[..., Awaitable[Any]]) -> None:
        self._keeper = keeper
        self._work = work

    async def back(self, request: Request) -> Response:
        """Take the answer, then lead away from the address that has it."""
        entered: Entered | None = request.state.entered
        actor = entered.actor if entered else computer_user()

        def take() -> str:
            try:
                self._keeper.core.servers.authorizing.come_back(str(request.url), actor=actor)
            except OAuthError as error:
                return error.code
            except MailcoreError:
                return "oauth_not_ready"
            return _DONE

        outcome = await self._work(take)
        return RedirectResponse(f"{base_path()}/oauth/pronto?como={outcome}", status_code=303)

    async def done(self, request: Request) -> Response:
        """Say how it ended."""
        code = request.query_params.get("como", "")
        if code == _DONE:
            return page(authorized_page())
        found = diagnosis_for(code if code in texts() else "oauth_state")
        return page(authorized_page(f"{found.title} {found.cause} {found.remedy}"), 400)
