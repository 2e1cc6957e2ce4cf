"""The charts of "Cotas": thirty days with the limit drawn in, and the hours of a week."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import streamlit as st

from mailcore.quota.reports import CHART_DAYS, HEAT_DAYS
from mailcore.vocabulary import LimitUnit
from ui.formats import number

if TYPE_CHECKING:
    from mailcore import Mailcore
    from mailcore.quota.rules import Quota

_MOST_SERVERS = 5
_PT_NUMBERS = "replace(format(datum.value, ',.0f'), regexp(',', 'g'), '.')"
_OTHERS = "Outros"
_WEEKDAYS = ("seg", "ter", "qua", "qui", "sex", "sáb", "dom")


def thirty_days(core: Mailcore, chosen: Quota | None) -> None:
    """Bars of the last 30 days, by server; of one account with its limit as a line."""
    from mailcore import frames

    used = frames.usage(core, CHART_DAYS, server_ids=[server.id for server in chosen.servers] if chosen else None)
    used = used[(used["recipients"] > 0) | (used["external"] > 0)]  # not what was given back
    if used.empty:
        st.caption("Nada foi enviado nos últimos 30 dias.")
        return
    totals = (used["recipients"] + used["external"]).groupby(used["server_id"]).sum()
    biggest = used["server_id"].isin(totals.nlargest(_MOST_SERVERS).index)
    names = used["server"].astype("str").fillna("Servidor " + used["server_id"].astype("str")).where(biggest, _OTHERS)
    counts_messages = chosen is not None and chosen.rule.unit is LimitUnit.MESSAGES
    units = used["messages" if counts_messages else "recipients"] + used["external"]
    sums = units.groupby([used["day"].dt.strftime("%Y-%m-%d"), names]).sum()
    today = datetime.now(core.settings.zone).date()
    order = [(today - timedelta(days=back)).isoformat() for back in range(CHART_DAYS - 1, -1, -1)]
    values = [{"dia": day, "servidor": name, "usado": int(units)} for (day, name), units in sums.items()]
    axis = {
        "title": None,
        "labelAngle": 0,
        "labelOverlap": "greedy",
        "labelExpr": "slice(datum.value,8,10)+'/'+slice(datum.value,5,7)",
    }
    bars = {
        "mark": {"type": "bar"},
        "encoding": {
            "x": {"field": "dia", "type": "ordinal", "scale": {"domain": order}, "axis": axis},
            "y": {"field": "usado", "type": "quantitative", "title": None, "axis": {"labelExpr": _PT_NUMBERS}},
            "color": {
                "field": "servidor",
                "type": "nominal",
                "title": None,
                "legend": {"orient": "bottom", "columns": 2},
            },
            "tooltip": [
                {"field": "dia", "title": "Dia"},
                {"field": "servidor", "title": "Servidor"},
                {"field": "usado", "title": "Usado"},
            ],
        },
    }
    layers: list[dict[str, Any]] = [bars]
    if chosen and chosen.limit is not None:
        line = {"values": [{"limite": chosen.limit, "texto": f"limite {number(chosen.limit)}"}]}
        y = {"field": "limite", "type": "quantitative"}
        layers.append({"data": line, "mark": {"type": "rule", "color": "#c0392b", "size": 2}, "encoding": {"y": y}})
        text = {"type": "text", "align": "left", "dx": 4, "dy": -6, "x": 0, "color": "#c0392b"}
        layers.append({"data": line, "mark": text, "encoding": {"y": y, "text": {"field": "texto"}}})
    st.vega_lite_chart({"data": {"values": values}, "layer": layers, "height": 280}, width="stretch", key="cotas_dias")


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
        {"dia": label[day], "hora": hour, "enviados": used.get((day, hour), 0)} for day in every for hour in range(24)
    ]
    st.vega_lite_chart(
        {
            "data": {"values": values},
            "mark": {"type": "rect"},
            "encoding": {
                "x": {"field": "hora", "type": "ordinal", "title": None, "axis": {"labelAngle": 0}},
                "y": {"field": "dia", "type": "ordinal", "title": None, "sort": list(label.values())},
                "color": {
                    "field": "enviados",
                    "type": "quantitative",
                    "title": None,
                    "scale": {"range": ["#0b6b7218", "#0b6b72"], "domain": [0, max(1, *used.values())]},
                    "legend": {"labelExpr": _PT_NUMBERS},
                },
                "tooltip": [
                    {"field": "dia", "title": "Dia"},
                    {"field": "hora", "title": "Hora"},
                    {"field": "enviados", "title": "Destinatários"},
                ],
            },
            "height": 220,
        },
        width="stretch",
        key="cotas_horas",
    )
