"""Choosing a dataset: the sample, a person's own file or folder, a dataset of the Hub, or a recent one."""

from __future__ import annotations

from typing import cast

import streamlit as st
from streamlit.typing import UploadedFile

from core.access import rules as access
from core.data.reading.uploads import save_upload
from core.data.selection import same_origin
from core.errors import PathError, SpecError, TunedeckError
from core.settings import Settings, allowed_path
from core.spec.data import DataSpec
from core.spec.names import dataset_name
from core.spec.run import build
from core.store.record import Run
from core.wording import listed, sentence, size
from ui.components.basics import for_display, plain
from ui.datasets.choosing import hub as datasets_hub
from ui.datasets.choosing import opening
from ui.session import resources, state

KINDS = {
    "sample": ":material/star: Sample",
    "file": ":material/description: Your own file",
    "hub": ":material/cloud_download: Hugging Face Hub",
}
HUB_EXAMPLES = (
    "Yelp/yelp_review_full",
    "stanfordnlp/imdb",
    "fancyzhx/ag_news",
    "dair-ai/emotion",
    "nyu-mll/glue · cola",
)
EXAMPLE = "text,label\nThe soup was cold and so was the welcome.,bad\nBest noodles in town!,good"
RUNS_LOOKED_AT = 30
MOST_RECENT = 6


def choose() -> None:
    """The page's first row: the source and its fields."""
    key = "dataset_kind"
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        state.remember(key, state.source())  # a recent dataset or a preset may have changed it
        st.segmented_control(
            "Source",
            access.sources(resources.settings()),
            format_func=KINDS.__getitem__,
            required=True,
            key=key,
            label_visibility="collapsed",
            on_change=_choose_kind,
            args=(key,),
        )
        _recent()
    kind = state.source()
    if kind == "file":
        _file()
    elif kind == "hub":
        _hub()
    if notice := state.take_notice():
        st.error(notice, icon=":material/error:")


def waits_for_choice() -> bool:
    """Whether the chosen source is not that of the open dataset; the page then explains the source."""
    kind = state.source()
    if kind == state.data().source:
        return False
    with st.container(border=True):
        if kind == "file":
            st.markdown("**One row per example, one column with the text, one with its class.** For instance:")
            st.code(EXAMPLE, language=None)
            st.caption(
                "Delimiter, quoting, header line and encoding (also Shift-JIS and UTF-16) are detected, shown, and can "
                "be overruled. A folder or .zip with files named train, validation and test becomes splits."
            )
        else:
            st.markdown("**Any dataset of the Hub with texts and classes.** Give its id, or pick a well-known one.")
            st.caption(
                "It is downloaded once, in the background. A private or gated one needs a token in HF_TOKEN, "
                "set before Tunedeck is started."
            )
    return True


def _choose_kind(key: str) -> None:
    kind = state.widget(key)
    state.set_source(kind)
    if kind == "sample":
        _open(DataSpec())
        return
    before = next((d for d in state.recent_data() if d.source == kind), None)
    if before is not None:
        _open(before)


def _file() -> None:
    settings = resources.settings()
    local = settings.mode == "local"
    may, roots = resources.why_not("upload"), [root.name for root in settings.roots]
    upload, path = st.columns(2, gap="medium") if local or roots else (st.container(), None)
    if may is not None:
        st.info(plain(sentence(may)), icon=":material/lock:")
        return
    with upload:
        key = state.upload_key("dataset")
        st.file_uploader(
            "Upload a file",
            key=key,
            on_change=_uploaded,
            args=(key,),
            max_upload_size=settings.max_upload_bytes // 1024**2,
            help="CSV, TSV, JSON, JSON Lines, Parquet, Arrow or Excel, also packed as .gz, .zip, .tar and the like. "
            "It is copied to Tunedeck's home folder.",
        )
    if path is not None:
        with path, st.form("dataset_path", border=False):
            name, button = st.columns([4, 1], vertical_alignment="bottom")
            state.begin_with("path", _typed_path(state.data()))
            name.text_input(
                "Or the path of a file or folder on this computer"
                if local
                else f"Or a file or folder of the server's, in {plain(listed(roots))}",
                key="path",
                placeholder="~/reviews.csv, or a folder with train and test files" if local else f"{roots[0]}/file.csv",
            )
            button.form_submit_button("Open", on_click=_open_path, width="stretch")


def _hub() -> None:
    for key, value in _hub_fields(state.data()).items():
        state.begin_with(key, value)
    datasets_hub.search()
    with st.form("dataset_hub", border=False):
        name, config, revision, look, button = st.columns([3, 1.4, 1.4, 0.9, 0.9], vertical_alignment="bottom")
        name.text_input("Dataset", key="hub_name", placeholder="owner/name, such as dair-ai/emotion")
        config.text_input("Configuration", key="hub_config", placeholder="The only one")
        revision.text_input("Revision", key="hub_revision", placeholder="The newest")
        look.form_submit_button(
            "Look", on_click=_look_at_hub, width="stretch", help="Show what it is, without downloading it"
        )
        button.form_submit_button("Open", on_click=_open_hub, width="stretch", type="primary")
    st.pills("Well-known ones", HUB_EXAMPLES, key="hub_example", on_change=_open_example)
    if looked := state.widget("hub_looked"):
        datasets_hub.look(*looked)


def _look_at_hub() -> None:
    name = str(state.widget("hub_name") or "").strip()
    if name:
        state.remember("hub_looked", (name, str(state.widget("hub_revision") or "").strip() or None))
    else:
        state.set_notice("Give the id of a dataset first.")


def _recent() -> None:
    """A menu of the datasets that this session and the latest runs used."""
    listed = [d for d in _recently() if not same_origin(d, state.data())]
    if not listed:
        return
    st.menu_button(
        "Recent",
        listed,
        format_func=lambda d: plain(dataset_name(d)),
        icon=":material/history:",
        type="tertiary",
        key="recent_dataset",
        on_click=_open_recent,
    )


def _recently() -> list[DataSpec]:
    datasets = list(state.recent_data())
    settings = resources.settings()
    for run in resources.store().runs(limit=RUNS_LOOKED_AT):
        data = _data_of(run)
        if data is None or data.source not in access.sources(settings) or not _is_readable(data, settings):
            continue
        if not any(same_origin(data, other) for other in datasets):
            datasets.append(data)
    return datasets[: MOST_RECENT + 1]


def _is_readable(data: DataSpec, settings: Settings) -> bool:
    """Whether the person may open a dataset; other people's uploads are private."""
    if settings.mode == "local" or data.source != "file":
        return True
    try:
        allowed_path(settings, data.path)
    except PathError:
        return False
    return True


def _data_of(run: Run) -> DataSpec | None:
    tree = {"train": run.spec.get("data"), "import": run.spec}.get(run.kind)
    try:
        return cast(DataSpec, build(tree, DataSpec))
    except SpecError:
        return None


def _open(data: DataSpec) -> None:
    """Open this dataset and fill in the fields. For callbacks, which run before the fields are drawn."""
    state.set_data(data)
    state.remember("hub_looked", None)
    if data.source == "hub":
        for key, value in _hub_fields(data).items():
            state.remember(key, value)
    elif data.source == "file":
        state.remember("path", _typed_path(data))


def _open_recent() -> None:
    chosen = state.widget("recent_dataset")
    if isinstance(chosen, DataSpec):
        _open(chosen)


def _open_example() -> None:
    name, _, config = str(state.widget("hub_example") or "").partition(" · ")
    if name:
        _open(DataSpec(source="hub", path=name, config=config or None))


def _open_hub() -> None:
    values = {name: str(state.widget(f"hub_{name}") or "").strip() for name in ("name", "config", "revision")}
    _try_to_open(
        source="hub", path=values["name"], config=values["config"] or None, revision=values["revision"] or None
    )


def _open_path() -> None:
    _try_to_open(source="file", path=str(state.widget("path") or "").strip().strip("\"'"))


def _try_to_open(**fields: object) -> None:
    try:
        data = cast(DataSpec, build(fields, DataSpec))
        _open(data)
        opening.start_if_needed(data)
    except SpecError:
        hub = fields["source"] == "hub"
        state.set_notice("Give the id of a dataset first." if hub else "Give the path of a file or folder first.")


def _uploaded(key: str) -> None:
    """Bring the upload to disk and let go of it."""
    file = state.widget(key)
    if not isinstance(file, UploadedFile):
        return  # let go already: a click in the same moment interrupts the run and has Streamlit tell of it twice
    try:
        path = save_upload(resources.settings(), file.name, file)
    except TunedeckError as error:
        state.set_notice(plain(sentence(for_display(str(error)))))
    else:
        data = DataSpec(source="file", path=str(path))
        _open(data)
        opening.start_if_needed(data)
        st.toast(f"{plain(file.name)} is here ({size(path.stat().st_size)}).", icon=":material/check:")
    finally:
        state.forget_upload(file)


def _hub_fields(data: DataSpec) -> dict[str, str]:
    """What the fields for a dataset of the Hub hold while this one is looked at."""
    if data.source != "hub":
        return {}
    return {"hub_name": data.path, "hub_config": data.config or "", "hub_revision": data.revision or ""}


def _typed_path(data: DataSpec) -> str:
    """The path as the person typed it; empty for uploads, whose folder they need not know."""
    uploads = str(resources.settings().uploads)
    return data.path if data.source == "file" and not data.path.startswith(uploads) else ""
