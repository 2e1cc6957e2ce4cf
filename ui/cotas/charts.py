"""The charts of "Cotas": the days of a period with the limit drawn in, and the hours of a week."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from html import escape
from typing import TYPE_CHECKING, Any

import streamlit as st

from mailcore.quota.series import HEAT_DAYS
from mailcore.vocabulary import LimitUnit, QuotaState
from ui.cotas import files
from ui.cotas.columns import SEVERITY
from ui.cotas.palette import HEAT, LIMIT, OTHERS, OUTLINE, SERIES
from ui.downloads import download_buttons
from ui.formats import number

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from mailcore import Mailcore
    from mailcore.quota.rules import Quota
    from ui.listview.period import Span

_PT_NUMBERS = "replace(format(datum.value, ',.0f'), regexp(',', 'g'), '.')"
_OTHERS = "Outros"
_MOST_NEAR = 2
"""Accounts near their limit that are in the picture whether they are among the biggest or not."""
_WEEKDAYS = ("seg", "ter", "qua", "qui", "sex", "sáb", "dom")


def days_of(core: Mailcore, quotas: Sequence[Quota], chosen: Quota | None, span: Span) -> None:
    """Bars of each day, by server; of one account with its limit as a line.

    In the picture are the servers that were used most and those whose account is near its limit. All others together
    are a bar too, unless it would dwarf them: then a sentence says how much they are.
    """
    from mailcore import frames

    ids = [server.id for server in chosen.servers] if chosen else None
    used = frames.usage(core, span.days, server_ids=ids, until=span.last)
    used = used[(used["recipients"] > 0) | (used["external"] > 0)]  # not what was given back
    if used.empty:
        st.caption("Nada foi enviado neste período.")
        return
    by_message = chosen is not None and chosen.rule.unit is LimitUnit.MESSAGES
    used = used.assign(units=used["messages" if by_message else "recipients"] + used["external"])
    shown = _in_the_picture(used, quotas)
    names = used["server"].astype("str").fillna("Servidor " + used["server_id"].astype("str"))
    is_shown = used["server_id"].isin(shown)
    others = int(used.loc[~is_shown, "units"].sum())
    drawn = used.assign(name=names.where(is_shown, _OTHERS))
    dwarfs = others > used["units"].sum() / 2
    if dwarfs:
        drawn = drawn[is_shown]
    totals = drawn.groupby("name", observed=True)["units"].sum().sort_values(ascending=False)
    series = [name for name in totals.index if name != _OTHERS]
    colours = dict(zip(series, SERIES, strict=False)) | ({_OTHERS: OTHERS} if _OTHERS in totals else {})
    _draw_days(drawn, colours, span, chosen, unit="Mensagens" if by_message else "Destinatários")
    _legend({name: f"{name}: {number(int(totals[name]))}" for name in colours}, colours, chosen)
    if dwarfs:
        rest = int(used.loc[~is_shown, "server_id"].nunique())
        st.caption(
            f"No desenho estão os servidores de maior uso e os que estão perto do limite. "
            f"{'O outro servidor usou' if rest == 1 else f'Os outros {number(rest)} servidores usaram'} "
            f"{number(others)} no período."
        )


def _in_the_picture(used: pd.DataFrame, quotas: Sequence[Quota]) -> list[int]:
    """Return the servers that have a colour of their own."""
    totals = used.groupby("server_id")["units"].sum().sort_values(ascending=False)
    urgent = sorted(
        (quota for quota in quotas if quota.state is not QuotaState.OK),
        key=lambda quota: (SEVERITY[quota.state], -quota.share),
    )
    near = [server.id for quota in urgent for server in quota.servers if server.id in totals.index][:_MOST_NEAR]
    biggest = [int(server_id) for server_id in totals.index if server_id not in near]
    return (near + biggest)[: len(SERIES)]


def _draw_days(drawn: pd.DataFrame, colours: dict[str, str], span: Span, chosen: Quota | None, *, unit: str) -> None:
    sums = drawn.groupby([drawn["day"].dt.strftime("%Y-%m-%d"), "name"], observed=True)["units"].sum()
    place = {name: at for at, name in enumerate(colours)}
    values = [
        {"dia": day, "servidor": name, "usado": int(units), "ordem": place[name], **_told(day, int(units))}
        for (day, name), units in sums.items()
    ]
    first = span.first or span.last
    order = [(first + timedelta(days=ahead)).isoformat() for ahead in range(span.days)]
    axis = {
        "title": None,
        "labelAngle": 0,
        "labelOverlap": "greedy",
        "labelExpr": "slice(datum.value,8,10)+'/'+slice(datum.value,5,7)",
    }
    bars = {
        "mark": {"type": "bar", "stroke": OUTLINE, "strokeWidth": 1},
        "encoding": {
            "x": {"field": "dia", "type": "ordinal", "scale": {"domain": order}, "axis": axis},
            "y": {
                "field": "usado",
                "type": "quantitative",
                "title": f"{unit} por dia",
                "axis": {"labelExpr": _PT_NUMBERS},
            },
            "color": {
                "field": "servidor",
                "type": "nominal",
                "scale": {"domain": list(colours), "range": list(colours.values())},
                "legend": None,  # Vega cuts long names: see _legend
            },
            "order": {"field": "ordem"},
            "tooltip": [
                {"field": "data", "title": "Dia"},
                {"field": "servidor", "title": "Servidor"},
                {"field": "quanto", "title": unit},
            ],
        },
    }
    layers: list[dict[str, Any]] = [bars]
    if chosen and chosen.limit is not None:
        line = {"values": [{"limite": chosen.limit, "texto": f"limite {number(chosen.limit)}"}]}
        y = {"field": "limite", "type": "quantitative"}
        layers.append({"data": line, "mark": {"type": "rule", "color": LIMIT, "size": 2}, "encoding": {"y": y}})
        text = {"type": "text", "align": "left", "dx": 4, "dy": -6, "x": 0, "color": LIMIT, "fontWeight": 600}
        layers.append({"data": line, "mark": text, "encoding": {"y": y, "text": {"field": "texto"}}})
    st.vega_lite_chart({"data": {"values": values}, "layer": layers, "height": 280}, width="stretch", key="cotas_dias")


def _told(day: str, units: int) -> dict[str, str]:
    return {"data": f"{day[8:]}/{day[5:7]}/{day[:4]}", "quanto": number(units)}


def _legend(names: dict[str, str], colours: dict[str, str], chosen: Quota | None) -> None:
    """What each colour stands for, whole and wrapping, however long the names are."""
    marks = [(colours[name], text) for name, text in names.items()]
    if chosen and chosen.limit is not None:
        marks.append((LIMIT, f"Limite: {number(chosen.limit)}"))
    items = "".join(f'<li><i style="background:{colour}"></i>{escape(text)}</li>' for colour, text in marks)
    st.html(f'<ul class="mailcore-legend">{items}</ul>')


def files_of_days(core: Mailcore, chosen: Quota | None, span: Span) -> None:
    """The days of the period as files."""
    csv, excel = files.both(partial(files.days_table, core, chosen, span), "Uso por dia")
    download_buttons("cotas-dias", "dos dias", csv=csv, excel=excel)


def week_of_hours(core: Mailcore, chosen: Quota | None) -> None:
    """When mail goes out: hour by hour, the last seven days."""
    from mailcore import frames

    found = frames.hours(core, account_keys=[chosen.account_key] if chosen else None)
    used = {(day.date(), hour): units for day, hour, units in found.itertuples(index=False)}
    if not any(used.values()):
        st.caption("Nada foi enviado nos últimos 7 dias.")
        return
    today = datetime.now(core.settings.zone).date()
    every = [today - timedelta(days=back) for back in range(HEAT_DAYS - 1, -1, -1)]
    label = {day: f"{_WEEKDAYS[day.weekday()]} {day:%d/%m}" for day in every}
    values = [
        {
            "dia": label[day],
            "hora": hour,
            "enviados": used.get((day, hour), 0),
            "quanto": number(used.get((day, hour), 0)),
            "das": f"das {hour} h às {hour + 1} h",
        }
        for day in every
        for hour in range(24)
    ]
    st.vega_lite_chart(
        {
            "data": {"values": values},
            "mark": {"type": "rect"},
            "encoding": {
                "x": {"field": "hora", "type": "ordinal", "title": "Hora do dia", "axis": {"labelAngle": 0}},
                "y": {"field": "dia", "type": "ordinal", "title": None, "sort": list(label.values())},
                "color": {
                    "field": "enviados",
                    "type": "quantitative",
                    "title": "Destinatários",
                    "scale": {"range": list(HEAT), "domain": [0, max(1, *used.values())]},
                    "legend": {"labelExpr": _PT_NUMBERS, "tickCount": 4, "format": "d"},
                },
                "tooltip": [
                    {"field": "dia", "title": "Dia"},
                    {"field": "das", "title": "Hora"},
                    {"field": "quanto", "title": "Destinatários"},
                ],
            },
            "height": 220,
        },
        width="stretch",
        key="cotas_horas",
    )
    csv, excel = files.both(partial(files.hours_table, core, chosen), "Hora a hora")
    download_buttons("cotas-horas", "das horas", csv=csv, excel=excel)
