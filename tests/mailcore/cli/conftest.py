"""The commands' parser, built once: to build it takes longer than most commands take here."""

from __future__ import annotations

from argparse import ArgumentParser
from functools import cache

import pytest

from mailcore.cli import parser

_build = parser.build_parser


@cache
def _built(called: str) -> ArgumentParser:
    return _build()


@pytest.fixture(autouse=True)
def _parser_built_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailcore.cli.build_parser", lambda: _built(parser._called()))
