"""The app as it is, with one kind of server more: the one entry that ``ADDING_A_TRANSPORT.md`` asks for."""

import runpy
from pathlib import Path

from mailcore.transports import register
from tests.peers.brevo import BrevoKind

register(BrevoKind())
runpy.run_path(str(Path(__file__).resolve().parents[3] / "app.py"))
