"""Where people unsubscribe: by the page behind the link, or by the one request a mail program makes (RFC 8058)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from mailcore.errors import MailcoreError, NotFoundError
from ui.door.answers import page
from ui.door.html import unsubscribe_fault_page, unsubscribe_page, unsubscribed_page

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from mailcore import Mailcore
    from ui.door.keeper import Keeper

_Page = tuple[bytes, list[tuple[bytes, bytes]]]


class Unsubscribing:
    """The two answers of the address; whoever has it may, signed in or not."""

    def __init__(self, keeper: Keeper, work: Callable[..., Awaitable[Any]]) -> None:
        self._keeper = keeper
        self._work = work

    async def ask(self, request: Request) -> Response:
        """Show whom it is for, and the button; nothing is changed by looking."""
        return await self._answer(request, lambda core: core.suppressions.unsubscriber, unsubscribe_page)

    async def do(self, request: Request) -> Response:
        """Unsubscribe at once: no cookie is asked for, and from which page it comes does not matter."""
        return await self._answer(request, lambda core: core.suppressions.unsubscribe, unsubscribed_page)

    async def _answer(
        self, request: Request, act: Callable[[Mailcore], Callable[[str], str]], show: Callable[[str], _Page]
    ) -> Response:
        def work() -> str:
            return act(self._keeper.core)(request.path_params["token"])

        try:
            return page(show(await self._work(work)))
        except NotFoundError as error:
            return page(unsubscribe_fault_page(str(error)), 404)
        except MailcoreError as error:
            return page(unsubscribe_fault_page(str(error)), 503)
