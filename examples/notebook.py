"""Quotas and refusals of the last month, as a notebook.

It runs as a script, and cell by cell in an editor that knows ``# %%``. It needs ``pip install ".[frames]"``.
"""

# %%
from datetime import UTC, datetime, timedelta

import mailcore
from mailcore import LedgerQuery, SendStatus, frames

core = mailcore.open_mailcore()

# %% Which accounts are about to run out?
quotas = frames.quotas(core)
columns = ["servers", "used", "limit", "remaining", "share", "state", "frees_at", "runs_out_at"]
print(quotas.sort_values("share", ascending=False)[columns].head(20).to_string(index=False))

# %% How much leaves on each day, by server?
usage = frames.usage(core, days=30)
print(usage.pivot_table(index="day", columns="server", values="recipients", aggfunc="sum", observed=True, fill_value=0))

# %% At which hour of the day?
print(frames.hours(core).groupby("hour")["recipients"].sum())

# %% Why was mail refused?
refused = frames.sends(core, since=timedelta(days=30), query=LedgerQuery(status=SendStatus.REFUSED))
print(refused.groupby(["server_name", "diagnosis_title"], observed=True).size().sort_values(ascending=False).head(20))

# %% The refused ones as a file, for whoever mends the addresses
refused[["at", "server_name", "recipients", "diagnosis_title", "reply"]].to_csv("recusas.csv", index=False)

# %% Servers whose certificate ends within a month
servers = frames.servers(core)
ending = servers["certificate_ends_at"] < datetime.now(UTC) + timedelta(days=30)
print(servers.loc[ending, ["id", "name", "host", "certificate_ends_at"]])
