"""Which doors stand open, and when the program must not start."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from mailcore.settings import Door, is_loopback

if TYPE_CHECKING:
    from mailcore.settings import Settings

_MAKE_A_DOOR = (
    "Crie antes o primeiro administrador (python -m mailcore users add ana@exemplo.com.br --role admin), ou "
    "configure outra porta: MAILCORE_LOGIN=oidc ou MAILCORE_LOGIN=proxy. Para usar só nesta máquina, deixe "
    "server.address em 127.0.0.1. Veja “Who may enter” no README."
)


def open_doors(settings: Settings, *, has_users: bool, is_local: bool) -> frozenset[Door]:
    """Return the doors that stand open.

    Args:
        is_local: nothing but loopback is listened on.
    """
    if settings.doors is not None:
        return settings.doors
    return frozenset({Door.NONE if is_local and not has_users else Door.ACCOUNTS})


def refusal_to_start(settings: Settings, address: str, *, has_users: bool) -> str:
    """Return why the program must not listen on this address, as a sentence; empty where it may."""
    if is_local_address(address):
        return ""
    doors = open_doors(settings, has_users=has_users, is_local=False)
    if Door.NONE in doors:
        return (
            f"O programa não começa: com MAILCORE_LOGIN=none qualquer um que alcance {address or 'esta máquina'} "
            f"enviaria em nome dos clientes. {_MAKE_A_DOOR}"
        )
    if not has_users and not (Door.OIDC in doors and settings.domains):
        return f"O programa não começa em {address or 'todas as interfaces'}: ninguém poderia entrar. {_MAKE_A_DOOR}"
    return ""


def is_local_address(address: str) -> bool:
    """Whether who listens on this address hears this machine alone; a name counts by all it stands for."""
    if not address:
        return False
    if is_loopback(address):
        return True
    try:
        found = {str(info[4][0]) for info in socket.getaddrinfo(address, None)}
    except (OSError, UnicodeError):
        return False
    return bool(found) and all(is_loopback(each) for each in found)
