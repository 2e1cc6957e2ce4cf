"""Whom a new batch goes to: a file or pasted cells, its column of addresses, and what is wrong with which line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from mailcore.batches.recipients_file import RecipientsFile
from mailcore.errors import MailcoreError
from ui.formats import number, plain
from ui.listview.table import Column, counted, table
from ui.lote.complaints import complaints
from ui.session import BATCH_COLUMN, BATCH_FILE, BATCH_NONCE, BATCH_PASTED, BATCH_PLAN, Key

if TYPE_CHECKING:
    from mailcore import Mailcore
    from mailcore.batches.new_batch import RecipientsPlan
    from mailcore.storage.tables import MailServer
    from mailcore.vocabulary import BatchKind

MOST_MEGABYTES = 100
_MOST_FAULTS = 20
_SAMPLE = 5


def recipients() -> RecipientsFile | None:
    """Draw the choice of a file, or the field to paste into; return the list, if there is one."""
    key: Key[Any] = Key(f"lote_arquivo_{BATCH_NONCE.get()}", None)
    uploaded = st.file_uploader(
        "Destinatários",
        key=key.name,
        max_upload_size=MOST_MEGABYTES,
        on_change=_keep_file,
        args=(key,),
        help="Planilha do Excel (.xlsx) ou CSV: uma linha por destinatário, os títulos na primeira. Cada coluna pode "
        "ser usada na mensagem.",
    )
    kept = BATCH_FILE.get()
    if kept is not None:
        if uploaded is None:
            with st.container(horizontal=True, vertical_alignment="center"):
                st.caption(f"Arquivo escolhido antes: {plain(kept[0])}")
                st.button("Tirar arquivo", key="lote_tirar", type="tertiary", on_click=BATCH_FILE.forget)
        return RecipientsFile(kept[1], kept[0])
    st.text_area(
        "Ou cole os destinatários",
        key=BATCH_PASTED.name,
        height=110,
        placeholder="um endereço por linha, ou as células copiadas da planilha, com os títulos",
        persist_state="session",
    )
    return RecipientsFile(BATCH_PASTED.get()) if BATCH_PASTED.get().strip() else None


def _keep_file(key: Key[Any]) -> None:
    """Keep the file that was chosen, for the upload begins empty each time the form is opened; or drop it."""
    file = key.get()
    BATCH_FILE.set((file.name, file.getvalue()) if file is not None else None)


def plan_of(core: Mailcore, source: RecipientsFile, server: MailServer, kind: BatchKind) -> RecipientsPlan | None:
    """Read the list, once for each list, server and kind; say what is in it and what is wrong with which line."""
    # A choice of its own for each list: that of another list means nothing here, nor does the first column.
    key: Key[str | None] = Key(f"field_lote_coluna__{hash(source.data):x}", None)
    column = key.get() or ""
    asked = (source.data, column, server.id, server.version, kind)
    kept = BATCH_PLAN.get()
    if kept is None or kept[0] != asked:
        with st.spinner("Lendo a lista…"):
            kept = (asked, *_read(core, source, column, server, kind))
        BATCH_PLAN.set(kept)
    plan, fault = kept[1], kept[2]
    if plan is None:
        st.error(plain(fault), icon=":material/error:")
        return None
    BATCH_COLUMN.set(plan.email_column)
    columns = list(plan.columns)
    st.selectbox(
        "Coluna do e-mail",
        columns,
        index=columns.index(plan.email_column),
        key=key.name,
        filter_mode=None,
        persist_state="session",
    )
    complaints("email_column")
    _what_is_in_it(plan)
    return plan


def _read(
    core: Mailcore, source: RecipientsFile, column: str, server: MailServer, kind: BatchKind
) -> tuple[RecipientsPlan | None, str]:
    try:
        return core.batches.read_recipients(source, email_column=column, server_id=server.id, kind=kind), ""
    except MailcoreError as error:
        return None, str(error)


def _what_is_in_it(plan: RecipientsPlan) -> None:
    told = [counted(plan.total, "destinatário", "destinatários")]
    if plan.doubles:
        told.append(counted(plan.doubles, "repetido fica de fora", "repetidos ficam de fora"))
    if plan.suppressed:
        told.append(counted(plan.suppressed, "suprimido não recebe", "suprimidos não recebem"))
    if plan.own:
        told.append("o próprio remetente está na lista e é recusado")
    st.markdown(f"**{told[0]}**" + "".join(f"; {each}" for each in told[1:]) + ".")
    if plan.fault_count:
        st.error(
            f"A lista tem {counted(plan.fault_count, 'linha com problema', 'linhas com problema')}. Corrija o arquivo "
            "e escolha-o de novo: um lote só começa com a lista inteira certa.",
            icon=":material/error:",
        )
        _list_of([str(fault) for fault in plan.faults], plan.fault_count)
    if plan.sample:
        with st.expander("Primeiras linhas"):
            columns = [Column(f"c{place}", name, 150, 1) for place, name in enumerate(plan.columns)]
            table(
                "lote_amostra",
                "Primeiras linhas",
                [Column("line", "Linha", 72, is_number=True), *columns],
                [(row, [str(row), *cells]) for row, cells in plan.sample[:_SAMPLE]],
            )


def _list_of(sentences: list[str], count: int) -> None:
    shown = sentences[:_MOST_FAULTS]
    st.markdown("\n".join(f"- {plain(sentence)}" for sentence in shown))
    if count > len(shown):
        st.caption(f"e mais {number(count - len(shown))}.")
