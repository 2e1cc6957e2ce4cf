"""What a browser sends that is no UTF-8 reaches Streamlit as something it can read."""

from __future__ import annotations

import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg

from ui.door.gate import readable


def message(text: str, number: float = 0.0) -> bytes:
    sent = BackMsg()
    sent.rerun_script.query_string = text
    state = sent.rerun_script.widget_states.widgets.add()
    state.id, state.double_value = "n", number
    return sent.SerializeToString()


@pytest.mark.parametrize("half", [b"\xed\xa0\x80", b"\xed\xbf\xbf"])
def test_half_a_character_becomes_the_mark_of_it(half: bytes) -> None:
    data = message("Loja XXX é").replace(b"XXX", half)
    read = BackMsg()
    with pytest.raises(Exception, match="UTF-8"):
        read.ParseFromString(data)
    read.ParseFromString(readable({"type": "websocket.receive", "bytes": data})["bytes"])
    assert read.rerun_script.query_string == "Loja \ufffd é"


def test_any_other_message_goes_on_as_it_came() -> None:
    import struct

    number = struct.unpack("<d", b"\xed\xa0\x80\x00\x00\x00\x00\x40")[0]
    for sent in ({"bytes": message("Loja é 😀", number)}, {"text": "x"}, {"bytes": b"\xed\x9f\xbf"}, {"bytes": None}):
        assert readable(sent) is sent
