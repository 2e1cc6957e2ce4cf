"""What Streamlit (1.67) does once in a process and this program has no use for, left out.

Both stand between a start and the first page that is painted. Measured on the list of servers: a sixth of the
processor time of its first run each, and 5 MB.
"""

from __future__ import annotations

from streamlit import delta_generator, string_util

_emoji_of = string_util.extract_leading_emoji


def leading_emoji(text: str) -> tuple[str, str]:
    """Return the emoji at the beginning of a text, and the rest, as Streamlit does.

    It looks at every label of a button group and at every message that is not plain ASCII ("Atenção") with an
    expression over all 3,800 emoji there are, compiled for it. Text that begins with a letter needs none of them.
    """
    begins_with_letter = text[:1].isalpha() and text[0] < "\u2000"  # one emoji, ℹ, counts as a letter
    return ("", text) if begins_with_letter else _emoji_of(text)


def spare_first_run() -> None:
    """Have Streamlit leave it out; call it before anything is drawn."""
    string_util.extract_leading_emoji = leading_emoji
    # Whether somebody typed the script into a Python prompt, and is to be told about `streamlit run`: to know it,
    # Streamlit reads the stack of calls with the file of every module that is loaded.
    delta_generator._use_warning_has_been_displayed = True  # noqa: SLF001
