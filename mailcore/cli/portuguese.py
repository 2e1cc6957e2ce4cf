"""What argparse says of a wrong call, in Portuguese: its own sentences are English whatever the language set."""

from __future__ import annotations

import re

_SENTENCES = (
    (r"the following arguments are required: (.*)", r"falta informar: \1"),
    (r"unrecognized arguments: (.*)", r"isto não é uma opção daqui: \1"),
    (r"one of the arguments (.*) is required", r"informe uma destas opções: \1"),
    (r"invalid choice: (.*) \(choose from (.*)\)", r"\1 não é um valor possível; use um destes: \2"),
    (r"invalid (?:\w+) value: (.*)", r"\1 não serve aqui"),
    (r"not allowed with argument (.*)", r"não vale junto com \1"),
    (r"expected one argument", "precisa de um valor"),
    (r"expected at least one argument", "precisa de pelo menos um valor"),
    (r"expected at most one argument", "aceita no máximo um valor"),
    (r"expected (\d+) arguments?", r"precisa de \1 valores"),
    (r"ignored explicit argument (.*)", r"não aceita valor: \1"),
)
_OF = re.compile(r"argument (.+?): (.*)", re.DOTALL)


def in_portuguese(message: str) -> str:
    """Return argparse's sentence in Portuguese; one of ours, which it passes on, stays as it is."""
    if of := _OF.fullmatch(message):
        return f"{of[1]}: {in_portuguese(of[2])}"
    for english, portuguese in _SENTENCES:
        if found := re.fullmatch(english, message, re.DOTALL):
            return found.expand(portuguese)
    return message
