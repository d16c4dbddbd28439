"""Everything that one browser session remembers. The only module that touches `st.session_state` keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import streamlit as st
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.typing import UploadedFile

from core.data.selection import same_origin, same_source
from core.runs.outlook import start_from
from core.spec.automatic import AUTOMATIC
from core.spec.data import DataSpec
from core.spec.presets import PRESETS, SAMPLE
from core.spec.run import RunSpec, build, get_field, spec_fields
from core.store.watching import RunView

_DATA, _DRAFT, _DRAFT_PRESET, _DRAFT_PROPOSES, _VIEWS, _FORM, _RECENT, _SOURCE, _UPLOADS, _NOTICE = (
    "data",
    "draft",
    "draft_preset",
    "draft_proposes",
    "run_views",
    "form",
    "recent_data",
    "data_source",
    "uploads",
    "notice",
)
DATASET_TABS, ROWS_TAB, PREPARE_TAB = "dataset_tabs", ":material/table_rows: Rows", ":material/construction: Prepare"
T = TypeVar("T")
_SELECTED, _QUESTION, _CURVES, _OPENED = "selected_runs", "question", "curves", "opened_paths"
_STOPPING = "run_to_stop"
_PAGE, _COMING, _ADDRESS, MOST_WAITS = "page", "coming_to", "address", 3
RECENT_DATASETS = 6
OFF = 0  # in a field that can be automatic, where empty means that


def data() -> DataSpec:
    """The dataset this session looks at: the sample until another is chosen."""
    return cast(DataSpec, st.session_state.get(_DATA, DataSpec()))


def set_data(chosen: DataSpec) -> None:
    """Look at this dataset; the New run page takes it over."""
    st.session_state[_DATA] = chosen
    set_source(chosen.source)
    may_open(chosen.path)
    others = [d for d in recent_data() if not same_origin(d, chosen)]
    st.session_state[_RECENT] = [chosen, *others][:RECENT_DATASETS]


def may_open(path: str) -> None:
    """The person has opened this path, or said that a link may."""
    opened_paths().add(path)


def come_to(page: str, query: Mapping[str, str]) -> None:
    """A run of this page begins, at an address with this query."""
    waits, runs = cast("tuple[dict[str, str], int]", st.session_state.get(_ADDRESS, ({}, 0)))
    same = page == st.session_state.get(_PAGE)
    over = not same or runs >= MOST_WAITS or all(query.get(name) == value for name, value in waits.items())
    st.session_state[_COMING] = None if same else page
    st.session_state[_ADDRESS] = ({}, 0) if over else (waits, runs + 1)
    st.session_state[_PAGE] = page


def comes_with(query: Mapping[str, str]) -> str | None:
    """The page, if for its address to say this belongs to coming to it; None if that is a step on it.

    It does in the first run, and in those that follow at once: they can take the element away that sets the address,
    before the browser has drawn it.
    """
    waits, _ = cast("tuple[dict[str, str], int]", st.session_state.get(_ADDRESS, ({}, 0)))
    awaited = bool(waits) and all(waits.get(name) == value for name, value in query.items())
    return cast("str", st.session_state.get(_PAGE)) if coming_to() is not None or awaited else None


def await_address(query: Mapping[str, str]) -> None:
    """The address is to say this, and does not yet."""
    waits, runs = cast("tuple[dict[str, str], int]", st.session_state.get(_ADDRESS, ({}, 0)))
    st.session_state[_ADDRESS] = ({**waits, **query}, runs)


def be_there() -> None:
    """The run has ended: what callbacks and parts of the page do from here on are steps on it."""
    st.session_state[_COMING] = None


def forget_address() -> None:
    """The address was changed by a step on the page; what it was to say before counts no more."""
    st.session_state[_ADDRESS] = ({}, 0)


def coming_to() -> str | None:
    """The page that somebody is coming to in this run; None on a page that they were at before."""
    return cast("str | None", st.session_state.get(_COMING))


def opened_paths() -> set[str]:
    """Paths that a link may open without asking, as this session has opened them already."""
    return cast("set[str]", st.session_state.setdefault(_OPENED, set()))


def recent_data() -> list[DataSpec]:
    """The datasets this session looked at, the latest first."""
    return cast("list[DataSpec]", st.session_state.get(_RECENT, []))


def source() -> str:
    """Which kind of source the Datasets page offers: sample, file or hub."""
    return cast(str, st.session_state.get(_SOURCE, data().source))


def set_source(kind: str) -> None:
    st.session_state[_SOURCE] = kind


def upload_key(what: str) -> str:
    """The key of an upload widget; a new and empty one after `forget_upload`."""
    return f"{what}_upload_{st.session_state.get(_UPLOADS, 0)}"


def forget_upload(file: UploadedFile) -> None:
    """Empty the upload widgets and free the file's memory, which Streamlit holds as long as the session lives."""
    st.session_state[_UPLOADS] = st.session_state.get(_UPLOADS, 0) + 1
    context = get_script_run_ctx()
    assert context is not None, "there are uploads only in a script run"
    if isinstance(context.uploaded_file_mgr, MemoryUploadedFileManager):
        context.uploaded_file_mgr.remove_file(context.session_id, file.file_id)
    file.close()


def widget(key: str) -> Any:
    """What a widget holds now; None if it is not on the page. For callbacks, which run before their page does."""
    return st.session_state.get(key)


def set_notice(text: str) -> None:
    """A sentence (Markdown) from a callback, for the page that runs after it."""
    st.session_state[_NOTICE] = text


def show_dataset_tab(label: str) -> None:
    """Open a tab of the Datasets page; for callbacks, which run before their page does."""
    st.session_state[DATASET_TABS] = label


def take_notice() -> str | None:
    return cast("str | None", st.session_state.pop(_NOTICE, None))


def begin_with(key: str, value: Any) -> None:
    """What a widget holds when it comes onto the page. Its own default stays empty, so that it can be emptied again."""
    if value is not None and key not in st.session_state:
        st.session_state[key] = value


def remember(key: str, value: Any) -> None:
    """Keep something small of a component's own, or choose the value of its widget; `widget` gives it back."""
    st.session_state[key] = value


def draft() -> RunSpec | None:
    """The spec that the New run page is to begin with, if another page has left one."""
    return cast("RunSpec | None", st.session_state.get(_DRAFT))


def set_draft(spec: RunSpec | None, preset: str | None = None, *, proposes: bool = False) -> None:
    """preset: the name of the preset that the spec is, so that the form can say what to expect of it
    proposes: whether the form is to choose a model for the dataset
    """
    st.session_state[_DRAFT], st.session_state[_DRAFT_PRESET] = spec, preset
    st.session_state[_DRAFT_PROPOSES] = proposes


@dataclass
class Form:
    """The New run page's fields, right or wrong, so that they are still there after a look at another page.

    values: what each field holds, by its dotted path; None is "automatic" or, where there is no such, "the default"
    name: the run's name, empty for the automatic one
    preset: the preset it began with
    generation: part of the widgets' keys: a new one makes them all start from `values`
    data: the dataset of the session that the values were last taken from
    proposes: whether the model follows the proposal, as nobody has chosen one
    """

    values: dict[str, Any]
    name: str
    preset: str | None
    generation: int
    data: DataSpec
    proposes: bool = False

    def key(self, path: str) -> str:
        return f"field_{self.generation}_{path}"


def form() -> Form:
    """The New run page's form: a draft that another page left, what was there before, or the sample's preset."""
    if (left := draft()) is not None:
        preset = cast("str | None", st.session_state.get(_DRAFT_PRESET))
        proposes = bool(st.session_state.get(_DRAFT_PROPOSES))
        set_draft(None)
        return fill_form(left, preset, proposes=proposes)
    if _FORM not in st.session_state:
        first = PRESETS[SAMPLE].spec
        chosen = data()
        if same_source(chosen, first.data):
            fill_form(first, SAMPLE)
        else:
            fill_form(start_from(chosen), proposes=True)
    return _take_data(cast(Form, st.session_state[_FORM]))


def has_form_for(chosen: DataSpec) -> bool:
    """Whether the New run page was already filled in for this dataset."""
    held = cast("Form | None", st.session_state.get(_FORM))
    return held is not None and draft() is None and same_source(held.data, chosen)


def fill_form(spec: RunSpec, preset: str | None = None, *, proposes: bool = False) -> Form:
    """Begin anew with this spec, and look at its dataset. proposes: see `Form`"""
    before = cast("Form | None", st.session_state.get(_FORM))
    filled = Form(
        values={path: _form_value(spec, path) for path, _ in spec_fields()},
        name="",
        preset=preset,
        generation=before.generation + 1 if before else 0,
        data=spec.data,
        proposes=proposes,
    )
    st.session_state[_FORM] = filled
    set_data(spec.data)
    return filled


def _form_value(spec: RunSpec, path: str) -> Any:
    if path in spec.auto:
        return None
    value = get_field(spec, path)
    return OFF if value is None and path in AUTOMATIC else value


def _take_data(held: Form) -> Form:
    """Follow the dataset that was chosen elsewhere; its splits and rows are chosen anew if it is another one."""
    chosen = data()
    if chosen == held.data:
        return held
    same = same_source(chosen, held.data)
    for path, _ in spec_fields(DataSpec):
        if not same or path in ("text_columns", "label_column"):
            held.values[f"data.{path}"] = get_field(chosen, path)
    if not same and held.preset == SAMPLE and held.values["model.name"] == PRESETS[SAMPLE].spec.model.name:
        held.preset, held.proposes = None, True  # the sample's model and settings are for the sample
        held.values |= dict.fromkeys(AUTOMATIC)
    held.data = chosen
    held.generation += 1
    return held


def share_data(held: Form) -> None:
    """Let the other pages see the form's choice of data, as soon as it is a valid one. Raises SpecError."""
    tree: dict[str, Any] = {"read": {}}
    for path, _ in spec_fields(DataSpec):
        section, _, leaf = path.rpartition(".")
        (tree["read"] if section else tree)[leaf] = held.values[f"data.{path}"]
    held.data = cast(DataSpec, build(tree, DataSpec))
    set_data(held.data)


def run_view(run_id: str) -> RunView:
    """What this session has seen of a run; the few runs looked at last are remembered."""
    views: dict[str, RunView] = st.session_state.setdefault(_VIEWS, {})
    view = views.pop(run_id, None) or RunView(run_id)
    views[run_id] = view
    while len(views) > 4:
        del views[next(iter(views))]
    return view


def selected_runs() -> set[str]:
    """The runs selected in the Runs page's table."""
    return cast("set[str]", st.session_state.get(_SELECTED, set()))


def set_selected_runs(ids: set[str]) -> None:
    st.session_state[_SELECTED] = ids


def ask_to_stop(run_id: str | None) -> None:
    """The Run page is to ask whether this run shall be stopped; None ends the question."""
    st.session_state[_STOPPING] = run_id


def asks_to_stop(run_id: str) -> bool:
    """Whether the Run page asks whether to stop this run."""
    return bool(st.session_state.get(_STOPPING) == run_id)


def ask(dialog: str, ids: list[str]) -> None:
    """A part of the Runs page wants this dialog about these runs; the page opens it when it runs next."""
    st.session_state[_QUESTION] = (dialog, ids)


def take_question() -> tuple[str, list[str]] | None:
    return cast("tuple[str, list[str]] | None", st.session_state.pop(_QUESTION, None))


def curves(run_id: str, version: object, draw: Callable[[], T]) -> T:
    """The charts of a run, drawn anew only if there is something new to draw; those of one run are remembered."""
    held = cast("tuple[object, T] | None", st.session_state.get(_CURVES))
    if held is None or held[0] != (run_id, version):
        held = ((run_id, version), draw())
        st.session_state[_CURVES] = held
    return held[1]


def in_fragment() -> bool:
    """Whether only a part of the page runs now, on its own."""
    context = get_script_run_ctx()
    return context is not None and bool(context.fragment_ids_this_run)
