"""``worker``: do the work of batches, beside the app or instead of it."""

from __future__ import annotations

import logging
import signal
import sys
import threading
from contextlib import closing
from typing import TYPE_CHECKING

from mailcore.cli.exits import Exit
from mailcore.cli.opening import open_mailcore
from mailcore.cli.output import say
from mailcore.labels import BATCH_STATE, inside
from mailcore.text import thousands
from mailcore.vocabulary import BatchState

if TYPE_CHECKING:
    from argparse import Namespace
    from types import FrameType

    from mailcore import Mailcore

_PROGRESS_SECONDS = 5.0


def worker(args: Namespace) -> Exit:
    """Send batches until told to end, or until there is nothing to do now."""
    faults = logging.StreamHandler(sys.stderr)
    logging.getLogger("mailcore").addHandler(faults)
    is_over = threading.Event()

    def end(signum: int, frame: FrameType | None) -> None:  # noqa: ARG001 - as signal has it
        is_over.set()

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        _work(args, is_over)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        logging.getLogger("mailcore").removeHandler(faults)
    return Exit.DONE


def _work(args: Namespace, is_over: threading.Event) -> None:
    with closing(open_mailcore(args)) as core:
        consumer = core.batches.consumer(args.threads)
        consumer.look(closely=True)
        consumer.start()
        say(f"Enviando lotes por até {args.threads} conexões. Ctrl+C termina depois das mensagens a caminho.")
        told = threading.Thread(target=_tell, args=(core, is_over), daemon=True)
        told.start()
        keeping = threading.Thread(target=core.servers.tokens.keep_alive_until, args=(is_over,), daemon=True)
        if not args.until_idle:
            keeping.start()
        try:
            consumer.wait(until_idle=args.until_idle, is_over=is_over)
        finally:
            consumer.stop()
            is_over.set()
            told.join()
            if not args.until_idle:
                keeping.join()  # a renewal under way is stored first
        _say_how_they_stand(core)


def _tell(core: Mailcore, is_over: threading.Event) -> None:
    while not is_over.wait(_PROGRESS_SECONDS):
        _say_how_they_stand(core, only_running=True)


def _say_how_they_stand(core: Mailcore, *, only_running: bool = False) -> None:
    for batch in core.batches.find().batches:
        if batch.state is BatchState.RUNNING or (not only_running and batch.state is not BatchState.DRAFT):
            state, ended = inside(BATCH_STATE[batch.state]), batch.total - batch.pending
            say(f"Lote {batch.id} “{batch.name}”: {state}, {thousands(ended)} de {thousands(batch.total)}.")
