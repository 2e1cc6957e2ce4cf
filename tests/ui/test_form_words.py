"""What the form and the trail say, in the order and the numbers of a person who reads them."""

from __future__ import annotations

from mailcore.errors import FieldError, ValidationError
from ui.cadastro.actions import blame
from ui.cadastro.form import ServerForm
from ui.words import value


def test_complaints_stand_in_the_order_of_the_fields_and_the_cursor_goes_to_the_first() -> None:
    form = ServerForm()
    names = ["name", "secret", "from_address", "daily_limit", "what no field is called"]
    blame(form, ValidationError([FieldError(name, f"{name}: preencha") for name in names]))
    assert [error.field for error in form.errors] == ["from_address", "name", "daily_limit", "secret", names[-1]]
    assert form.points_at == "from_address"


def test_what_is_counted_has_its_points_and_a_port_has_none() -> None:
    assert (value("daily_limit", 12_000), value("port", 2_525), value("daily_limit", None)) == (
        "12.000",
        "2525",
        "(vazio)",
    )
