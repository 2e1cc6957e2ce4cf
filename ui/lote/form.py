"""A new batch: whom it goes to, what it says, and what is wrong with which line of the list."""

from __future__ import annotations

from datetime import datetime, time
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import streamlit as st

from mailcore.batches.new_batch import NewBatch, NewFile
from mailcore.batches.recipients_file import RecipientsFile
from mailcore.errors import MailcoreError, ValidationError
from mailcore.messages.merge import ALLOWED_FILTERS
from mailcore.registry.search import ServerQuery
from mailcore.vocabulary import BatchKind
from ui import words
from ui.context import current_actor
from ui.formats import number, plain
from ui.jobs import watch
from ui.listview.table import counted
from ui.lote.listing import open_list, open_one
from ui.session import (
    BATCH_COLUMN,
    BATCH_DAY,
    BATCH_ERRORS,
    BATCH_FILE,
    BATCH_FILE_COLUMN,
    BATCH_FILES,
    BATCH_HTML,
    BATCH_KIND,
    BATCH_NAME,
    BATCH_NONCE,
    BATCH_PASTED,
    BATCH_PLAN,
    BATCH_SERVER,
    BATCH_SERVER_SEARCH,
    BATCH_SHARE,
    BATCH_SUBJECT,
    BATCH_TEXT,
    BATCH_TIME,
    BATCH_WHEN,
    Key,
)

if TYPE_CHECKING:
    from mailcore import Mailcore
    from mailcore.batches.new_batch import RecipientsPlan
    from mailcore.storage.tables import MailServer

MOST_MEGABYTES = 100
_TYPED = (
    *(BATCH_NAME, BATCH_SERVER, BATCH_SERVER_SEARCH, BATCH_PASTED, BATCH_COLUMN, BATCH_SUBJECT, BATCH_TEXT),
    *(BATCH_HTML, BATCH_KIND, BATCH_WHEN, BATCH_DAY, BATCH_TIME, BATCH_FILE_COLUMN, BATCH_SHARE, BATCH_FILE),
    *(BATCH_FILES, BATCH_NONCE, BATCH_ERRORS, BATCH_PLAN),
)
_NOW, _LATER = "Assim que eu iniciar", "Em dia e hora"
_NO_COLUMN = "(nenhuma: sem anexo próprio)"
_MOST_FAULTS = 20
_SAMPLE = 5


def forget_form() -> None:
    """Let the next batch begin with an empty form."""
    for key in _TYPED:
        key.forget()


def new_batch(core: Mailcore) -> None:
    """Draw the form; what is typed stays until the batch is started, wherever one goes meanwhile."""
    st.button("Todos os lotes", key="lote_voltar", type="tertiary", icon=":material/arrow_back:", on_click=open_list)
    st.header("Novo lote")
    BATCH_NONCE.start(uuid4().hex)
    st.text_input(
        "Nome",
        key=BATCH_NAME.name,
        max_chars=200,
        live="0ms",
        on_change="ignore",
        placeholder="para achar este lote depois; vazio, fica o assunto",
        persist_state="session",
    )
    _errors("name")
    server = _server(core)
    if server is None:
        return
    kind = _kind()
    source = _recipients()
    plan = _plan(core, source, server, kind) if source is not None else None
    if source is None:
        _errors("recipients")
    _message(plan)
    _attachments(plan)
    starts_at = _start(core)
    if st.button("Conferir e ver a prévia", key=f"lote_conferir_{BATCH_NONCE.get()}", type="primary"):
        _make(core, server, source, kind, starts_at)
    st.caption("Nada é enviado ainda: na próxima tela você vê a prévia e a previsão, e só então inicia.")


def _errors(*fields: str) -> None:
    for field in fields:
        for sentence in BATCH_ERRORS.get().get(field, []):
            st.error(plain(sentence), icon=":material/error:")


def _server(core: Mailcore) -> MailServer | None:
    found = core.servers.search(ServerQuery(text=BATCH_SERVER_SEARCH.get(), is_active=True))
    if found.total == 0 and not BATCH_SERVER_SEARCH.get():
        st.info("Não há servidor ativo para enviar. Registre um primeiro.", icon=":material/mail:")
        st.page_link("pages/cadastro.py", label="Registrar um servidor", icon=":material/add:")
        return None
    if found.total > len(found.servers) or BATCH_SERVER_SEARCH.get():
        st.text_input(
            "Buscar servidor", key=BATCH_SERVER_SEARCH.name, type="search", live="200ms", persist_state="session"
        )
    options = {server.id: server for server in found.servers}
    default = core.servers.default()
    if default is not None and default.is_active and not BATCH_SERVER_SEARCH.get():
        options = {default.id: default} | options
    if BATCH_SERVER.get() not in options:
        BATCH_SERVER.forget()
    server_id = st.selectbox(
        "Servidor",
        list(options),
        format_func=lambda key: f"{options[key].name} — {options[key].from_address}",
        key=BATCH_SERVER.name,
        filter_mode="contains",
        persist_state="session",
    )
    _errors("server")
    if server_id is None:
        st.warning("Nenhum servidor combina com a busca.")
    return options.get(server_id) if server_id else None


def _kind() -> BatchKind:
    names = list(words.BATCH_KIND.values())
    chosen = st.radio(
        "Tipo",
        names,
        key=BATCH_KIND.name,
        horizontal=True,
        captions=["faturas, avisos, senhas", "ofertas e boletins: leva como se descadastrar"],
        persist_state="session",
    )
    return next(kind for kind, name in words.BATCH_KIND.items() if name == chosen)


# ---------------------------------------------------------------- recipients
def _recipients() -> RecipientsFile | None:
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


def _plan(core: Mailcore, source: RecipientsFile, server: MailServer, kind: BatchKind) -> RecipientsPlan | None:
    """Read the list, once for each list, server and kind; say what is in it and what is wrong with which line."""
    asked = (hash(source.data), BATCH_COLUMN.get(), server.id, server.version, kind)
    kept = BATCH_PLAN.get()
    if kept is None or kept[0] != asked:
        with st.spinner("Lendo a lista…"):
            kept = (asked, *_read(core, source, server, kind))
        BATCH_PLAN.set(kept)
    plan, fault = kept[1], kept[2]
    if plan is None:
        st.error(plain(fault), icon=":material/error:")
        if BATCH_COLUMN.get():
            st.button("Achar a coluna sozinho", key="lote_coluna_sozinho", on_click=BATCH_COLUMN.forget)
        return None
    if BATCH_COLUMN.get() not in plan.columns:
        BATCH_COLUMN.set(plan.email_column)
        BATCH_PLAN.set(((asked[0], plan.email_column, *asked[2:]), plan, ""))
    st.selectbox(
        "Coluna do e-mail", list(plan.columns), key=BATCH_COLUMN.name, filter_mode=None, persist_state="session"
    )
    _errors("email_column")
    _what_is_in_it(plan)
    return plan


def _read(
    core: Mailcore, source: RecipientsFile, server: MailServer, kind: BatchKind
) -> tuple[RecipientsPlan | None, str]:
    try:
        column = BATCH_COLUMN.get()
        try:
            return core.batches.read_recipients(source, email_column=column, server_id=server.id, kind=kind), ""
        except ValidationError as error:
            if not column or all(each.field != "email_column" for each in error.errors):
                raise
        # Chosen for another list.
        return core.batches.read_recipients(source, server_id=server.id, kind=kind), ""
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
            st.dataframe(
                [{"Linha": row, **dict(zip(plan.columns, cells, strict=True))} for row, cells in plan.sample[:_SAMPLE]],
                hide_index=True,
            )


def _list_of(sentences: list[str], count: int) -> None:
    shown = sentences[:_MOST_FAULTS]
    st.markdown("\n".join(f"- {plain(sentence)}" for sentence in shown))
    if count > len(shown):
        st.caption(f"e mais {number(count - len(shown))}.")


# ---------------------------------------------------------------- message
def _message(plan: RecipientsPlan | None) -> None:
    if plan is not None:
        fields = ", ".join(plain(f"{{{{{column}}}}}") for column in plan.columns[:30])
        st.markdown(f"Campos que cada destinatário preenche: {fields}")
    st.text_input(
        "Assunto",
        key=BATCH_SUBJECT.name,
        live="0ms",
        on_change="ignore",
        placeholder="Olá, {{nome}}: sua fatura",
        persist_state="session",
    )
    _errors("subject")
    as_text, as_html = st.tabs(["Texto", "HTML"])
    with as_text:
        st.text_area("Mensagem", key=BATCH_TEXT.name, height=220, on_change="ignore", persist_state="session")
    with as_html:
        st.text_area(
            "Mensagem em HTML",
            key=BATCH_HTML.name,
            height=220,
            on_change="ignore",
            persist_state="session",
            help="Pode ficar vazia. Se só houver HTML, o texto simples é feito dele.",
        )
    _errors("text", "html")
    filters = ", ".join(f"`{name}`" for name in ALLOWED_FILTERS)
    st.caption(
        f"Depois de um campo pode vir um filtro, como em `{{{{nome|title}}}}` ({filters}), e "
        "`{% if campo %}…{% endif %}` mostra um trecho só a quem tem algo no campo."
    )


def _attachments(plan: RecipientsPlan | None) -> None:
    with st.expander("Anexos", icon=":material/attach_file:", expanded=bool(BATCH_FILES.get())):
        nonce = BATCH_NONCE.get()
        keys: tuple[Key[Any], Key[Any]] = Key(f"lote_anexos_{nonce}", []), Key(f"lote_anexos_um_{nonce}", [])
        for_all = st.file_uploader(
            "Anexos para todos",
            key=keys[0].name,
            accept_multiple_files=True,
            max_upload_size=25,
            on_change=_keep_attachments,
            args=keys,
        )
        own = st.file_uploader(
            "Um arquivo para cada destinatário",
            key=keys[1].name,
            accept_multiple_files=True,
            on_change=_keep_attachments,
            args=keys,
            help="Escolha todos; uma coluna da lista diz o nome do arquivo de cada um.",
        )
        if BATCH_FILES.get() and not (for_all or own):
            with st.container(horizontal=True, vertical_alignment="center"):
                st.caption(f"Escolhidos antes: {plain(', '.join(each.name for each in BATCH_FILES.get()))}")
                st.button("Tirar anexos", key="lote_tirar_anexos", type="tertiary", on_click=BATCH_FILES.forget)
        columns = [_NO_COLUMN, *(plan.columns if plan else ())]
        if BATCH_FILE_COLUMN.get() not in columns:
            BATCH_FILE_COLUMN.forget()
        st.selectbox("Coluna do anexo", columns, key=BATCH_FILE_COLUMN.name, filter_mode=None, persist_state="session")
    _errors("attachments", "file_column")


def _keep_attachments(for_all: Key[Any], own: Key[Any]) -> None:
    everyone = [NewFile(each.name, each.getvalue(), each.type) for each in for_all.get()]
    single = [NewFile(each.name, each.getvalue(), each.type, for_all=False) for each in own.get()]
    BATCH_FILES.set((*everyone, *single))


def _start(core: Mailcore) -> datetime | None:
    when = st.radio("Início", [_NOW, _LATER], key=BATCH_WHEN.name, horizontal=True, persist_state="session")
    starts_at = None
    if when == _LATER:
        today = datetime.now(core.settings.zone)
        BATCH_DAY.start(today.date())
        BATCH_TIME.start(time(hour=8))
        with st.container(horizontal=True):
            day = st.date_input("Dia", key=BATCH_DAY.name, format="DD/MM/YYYY", width=160, persist_state="session")
            at = st.time_input("Hora", key=BATCH_TIME.name, width=160, persist_state="session")
        if day is not None and at is not None:
            starts_at = datetime.combine(day, at, core.settings.zone)
    _errors("starts_at")
    BATCH_SHARE.start(10)
    st.number_input(
        "Parar com recusas acima de (%)",
        min_value=1,
        max_value=100,
        step=1,
        key=BATCH_SHARE.name,
        width=260,
        help="Muitas recusas de uma vez fazem o provedor bloquear a conta: o lote faz uma pausa para alguém olhar. "
        "Com 100 nunca para.",
        persist_state="session",
    )
    _errors("refusal_share")
    return starts_at


# ---------------------------------------------------------------- the draft
def _make(
    core: Mailcore, server: MailServer, source: RecipientsFile | None, kind: BatchKind, starts_at: datetime | None
) -> None:
    """Store what is typed as a draft and open it; complain of each field that cannot be used."""
    nonce = BATCH_NONCE.get()
    BATCH_NONCE.set(uuid4().hex)
    column = BATCH_FILE_COLUMN.get()
    new = NewBatch(
        server_id=server.id,
        recipients=source or RecipientsFile(""),
        subject=BATCH_SUBJECT.get(),
        text=BATCH_TEXT.get(),
        html=BATCH_HTML.get(),
        name=BATCH_NAME.get(),
        email_column=BATCH_COLUMN.get() if source is not None else "",
        kind=kind,
        starts_at=starts_at,
        attachments=BATCH_FILES.get(),
        file_column="" if column in ("", _NO_COLUMN) else column,
        refusal_share=int(BATCH_SHARE.get()),
    )
    actor = current_actor()
    try:
        batch, _ = watch(nonce, "Conferindo e guardando a lista", lambda _: core.batches.create(new, actor=actor))
    except ValidationError as error:
        errors: dict[str, list[str]] = {}
        for each in error.errors:
            errors.setdefault(each.field, []).append(each.message)
        BATCH_ERRORS.set(errors)
        st.rerun()
    BATCH_ERRORS.forget()
    open_one(batch.id)
    st.rerun()
