"""What Streamlit (1.67) does once in a process and this program has no use for, left out.

All of it stands between a start and the first page that is painted. Measured on the list of servers: the first two a
sixth of the processor time of its first run each, and 5 MB; the third a tenth of a second.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamlit import delta_generator, string_util
from streamlit.components.v2 import manifest_scanner

if TYPE_CHECKING:
    from pathlib import Path

    from streamlit.components.v2.manifest_scanner import ComponentManifest

_emoji_of = string_util.extract_leading_emoji


def leading_emoji(text: str) -> tuple[str, str]:
    """Return the emoji at the beginning of a text, and the rest, as Streamlit does.

    It looks at every label of a button group and at every message that is not plain ASCII ("Atenção") with an
    expression over all 3,800 emoji there are, compiled for it. Text that begins with a letter needs none of them.
    """
    begins_with_letter = text[:1].isalpha() and text[0] < "\u2000"  # one emoji, ℹ, counts as a letter
    return ("", text) if begins_with_letter else _emoji_of(text)


def _no_components(max_workers: int | None = None) -> list[tuple[ComponentManifest, Path]]:  # noqa: ARG001
    return []


def spare_start() -> None:
    """Have Streamlit leave out what it does before it listens; call it before it begins."""
    # Components that installed packages bring along: it reads what every one of them says of itself. Ours are no
    # packages (`ui/assets`).
    manifest_scanner.scan_component_manifests = _no_components


def spare_first_run() -> None:
    """Have Streamlit leave it out; call it before anything is drawn."""
    string_util.extract_leading_emoji = leading_emoji
    # Whether somebody typed the script into a Python prompt, and is to be told about `streamlit run`: to know it,
    # Streamlit reads the stack of calls with the file of every module that is loaded.
    delta_generator._use_warning_has_been_displayed = True  # noqa: SLF001
