"""A new batch: whom it goes to, what it says, and what is wrong with which line of the list."""

from __future__ import annotations

from datetime import datetime, time
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import streamlit as st

from mailcore.batches.new_batch import NewBatch, NewFile
from mailcore.batches.recipients_file import RecipientsFile
from mailcore.errors import ValidationError
from mailcore.messages.merge import ALLOWED_FILTERS
from mailcore.vocabulary import BatchKind
from ui import words
from ui.formats import plain
from ui.jobs import watch
from ui.lote.complaints import complaints
from ui.lote.listing import open_list, open_one
from ui.lote.recipients import plan_of, recipients
from ui.person import current_actor
from ui.server_choice import found_servers, in_words
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

_TYPED = (
    *(BATCH_NAME, BATCH_SERVER, BATCH_SERVER_SEARCH, BATCH_PASTED, BATCH_COLUMN, BATCH_SUBJECT, BATCH_TEXT),
    *(BATCH_HTML, BATCH_KIND, BATCH_WHEN, BATCH_DAY, BATCH_TIME, BATCH_FILE_COLUMN, BATCH_SHARE, BATCH_FILE),
    *(BATCH_FILES, BATCH_NONCE, BATCH_ERRORS, BATCH_PLAN),
)
_NOW, _LATER = "Assim que eu iniciar", "Em dia e hora"
_NO_COLUMN = "(nenhuma: sem anexo próprio)"


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
    complaints("name")
    server = _server(core)
    if server is None:
        return
    kind = _kind()
    source = recipients()
    plan = plan_of(core, source, server, kind) if source is not None else None
    if source is None:
        complaints("recipients")
    _message(plan)
    _attachments(plan)
    starts_at = _start(core)
    if st.button("Conferir e ver a prévia", key=f"lote_conferir_{BATCH_NONCE.get()}", type="primary"):
        _make(core, server, source, kind, starts_at)
    st.caption("Nada é enviado ainda: na próxima tela você vê a prévia e a previsão, e só então inicia.")


def _server(core: Mailcore) -> MailServer | None:
    options = found_servers(core, BATCH_SERVER_SEARCH, only_active=True, persists=True)
    if not options:
        return None
    default = core.servers.default()
    if default is not None and default.is_active and not BATCH_SERVER_SEARCH.get():
        options = {default.id: default} | options
    if BATCH_SERVER.get() not in options:
        BATCH_SERVER.forget()
    server_id = st.selectbox(
        "Servidor",
        list(options),
        format_func=lambda key: in_words(options[key]),
        key=BATCH_SERVER.name,
        filter_mode="contains",
        persist_state="session",
    )
    complaints("server")
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
    complaints("subject")
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
    complaints("text", "html")
    filters = ", ".join(f"`{name}`" for name in ALLOWED_FILTERS)
    st.caption(
        f"Depois de um campo pode vir um filtro, como em `{{{{nome|nome_proprio}}}}` ({filters}), e "
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
    complaints("attachments", "file_column")


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
    complaints("starts_at")
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
    complaints("refusal_share")
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
