"""Push to the Hub: the account, the files and their repository, who may see it, and the result."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from core.errors import HubError, ModelError, SpecError, TunedeckError
from core.hub.errors import endpoint, site
from core.sharing.hub.hub_account import Account, is_offline
from core.sharing.hub.push_spec import PushSpec, repo_name
from core.sharing.model import model_files
from core.spec.names import dataset_name
from core.spec.run import RunSpec, build
from core.store import files as results
from core.store.record import Run
from core.store.summaries import Pushed
from core.wording import counted, size
from ui.components import light_run
from ui.components.basics import clock, code, plain, show_error
from ui.session import resources, state
from ui.share import hub_account, hub_data

KIND = "push"
PUSHES_LOOKED_AT = 500
WHAT = {"model": ":material/deployed_code: Model", "dataset": ":material/table_rows: Dataset"}


def render(run: Run) -> None:
    """The whole part, for one training run."""
    st.markdown(
        f"Your model as a repository on {plain(site())}: weights as safetensors, tokenizer and card. Or the dataset "
        "that it was trained on. Only you can see it, unless you make it public."
    )
    if not _can_ask():
        return
    pushes = _pushes(run)
    if pushes and not pushes[0].is_final:
        light_run.watch(pushes[0].id, pushes[0].name)
        return
    if pushes:
        _outcome(pushes[0])
    account = hub_account.account()
    if account is not None:
        _form(run, account, pushes)


def _can_ask() -> bool:
    """Whether there is a token and the Hub may be asked; if not, the page says what to do."""
    if is_offline():
        st.info(
            f"Tunedeck works offline, because {code('HF_HUB_OFFLINE')} is set. Unset it and restart Tunedeck to push.",
            icon=":material/cloud_off:",
        )
        return False
    try:
        if hub_account.has_token():
            return True
    except HubError as error:
        show_error(error)
        return False
    with st.container(border=True, key="hub_no_token"):
        st.markdown("**:material/key: A token of yours is needed**")
        st.markdown(
            f"1. Create one with **write** access in [your settings there]({endpoint()}/settings/tokens).\n"
            "2. Give it to Tunedeck in one of three ways, on the machine where it runs, and restart it:\n"
            "   - sign in once with `hf auth login`\n"
            "   - set the variable `HF_TOKEN`\n"
            '   - write `HF_TOKEN = "hf_…"` into `.streamlit/secrets.toml`'
        )
        st.caption("Tunedeck only reads it; it never appears in a run, log or file.")
    return False


def _pushes(run: Run) -> list[Run]:
    """The pushes of this run, also unfinished ones, the newest first."""
    return [r for r in resources.store().runs(kind=KIND, limit=PUSHES_LOOKED_AT) if r.spec.get("run") == run.id]


def _outcome(push: Run) -> None:
    """The result of the last push."""
    pushed = Pushed.of(push.summary)
    if not pushed.commit:
        light_run.show_failure(push, push.name)
        return
    with st.container(border=True, key="hub_outcome"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"**:material/check_circle: {plain(pushed.repo)}**", width="content")
            if pushed.private:
                st.badge("Private", icon=":material/lock:", color="gray")
            else:
                st.badge("Public", icon=":material/public:", color="orange")
        files_sent = f"{counted(pushed.files, 'file')}, {size(pushed.bytes)}"
        sent = "nothing new had to be sent" if not pushed.sent else f"{size(pushed.sent)} sent"
        st.caption(f"{files_sent}; {sent} · {clock(push.ended or push.created)} · commit {code(pushed.commit[:7])}")
        st.link_button("Open it on the Hub", pushed.url, icon=":material/open_in_new:", type="primary", width="content")


def _form(run: Run, account: Account, pushes: list[Run]) -> None:
    if not account.may_write:
        st.warning(
            f"The token of {plain(account.name)} is read-only. Replace it with one that has write access, from "
            f"{plain(endpoint())}/settings/tokens.",
            icon=":material/key_off:",
        )
        return
    st.markdown(f":material/account_circle: Signed in as **{plain(account.name)}**")
    last = pushes[0] if pushes else None
    what = str(
        st.segmented_control(
            "What to push",
            list(WHAT),
            default=last.spec["what"] if last else "model",
            required=True,
            key="hub_what",
            format_func=WHAT.__getitem__,
        )
    )
    trained: RunSpec = build(run.spec)
    last = next((push for push in pushes if push.spec["what"] == what), None)
    title = run.name if what == "model" else dataset_name(trained.data)
    repo_id = _name(last.spec["repo_id"] if last else f"{account.name}/{repo_name(title)}", account, f"{run.id}_{what}")
    private = st.toggle(
        "Private",
        value=bool(last.spec["private"]) if last else True,
        key=f"hub_private_{run.id}_{what}",
        help="Only you and the people whom you admit can see the repository and load from it. You can make it public "
        "later, in its settings on the Hub.",
    )
    if not private:
        st.caption(":material/public: Everybody can see it and load from it.")
    tree: dict[str, Any] = {"run": run.id, "attempt": run.attempt, "what": what, "repo_id": repo_id}
    if what == "model":
        ready = _model(run)
    else:
        data = hub_data.choose(trained.data)
        ready, tree = data is not None, tree | (data or {})
    again = any(p.spec["repo_id"] == repo_id and p.spec["what"] == what and Pushed.of(p.summary).commit for p in pushes)
    more = _more(bool(pushes) and " already" in (pushes[0].error or ""))
    update = again or more["update"]
    st.button(
        f"Update {repo_id}" if again else f"Push to {repo_id}",
        type="primary",
        icon=":material/cloud_upload:",
        key="hub_push",
        disabled=not ready,
        on_click=_push,
        args=(run, tree | more | {"private": private, "update": update}),
        help="Unchanged files are not sent again." if again else None,
    )


def _name(usual: str, account: Account, key: str) -> str:
    """The repository as owner/name, from two fields. usual: their initial value"""
    owner, _, name = usual.partition("/")
    left, right = st.columns([1, 2], vertical_alignment="bottom")
    owners = list(account.namespaces)
    place = owners.index(owner) if owner in owners else 0
    owner = left.selectbox("Owner", owners, place, key=f"hub_owner_{key}", help="You, or an organization of yours.")
    return f"{owner}/{right.text_input('Repository', name, key=f'hub_name_{key}', max_chars=96).strip()}"


def _model(run: Run) -> bool:
    """Show the files to push; False if there are none."""
    folder = results.model_folder(resources.settings().run_dir(run.id))
    try:
        if folder is None:
            raise ModelError("the model of this run is gone; resume the run or train again")
        sizes = model_files.sizes(folder)
    except (TunedeckError, OSError) as error:
        show_error(error if isinstance(error, TunedeckError) else ModelError("the model's files cannot be read"))
        return False
    _files({**sizes, model_files.CARD: None}, "Nothing else: no optimizer, no checkpoint, no log, no local path.")
    return True


def _files(sizes: Mapping[str, int | None], caption: str) -> None:
    rows = [(name, "made from the card" if count is None else size(count)) for name, count in sizes.items()]
    st.markdown("**Files to push**")
    st.dataframe(
        pd.DataFrame(rows, columns=["File", "Size"]),
        hide_index=True,
        height="content",
        key="hub_files",
        alt="The files to push",
    )
    st.caption(caption)


def _more(open_it: bool) -> dict[str, Any]:
    with st.expander("More", expanded=open_it, icon=":material/tune:"):
        left, right = st.columns(2)
        branch = left.text_input("Branch", key="hub_branch", placeholder="main", max_chars=200)
        message = right.text_input(
            "Commit message", key="hub_message", placeholder="Upload with Tunedeck", max_chars=200
        )
        update = st.checkbox(
            "Replace the files of an existing repository",
            key="hub_update",
            help="Without it, a push to an existing repository is refused. Earlier versions stay in its history.",
        )
    return {"branch": branch.strip() or None, "message": message, "update": update}


def _push(run: Run, tree: dict[str, Any]) -> None:
    """Start the push; if the form has invalid values, the page shows which."""
    try:
        spec: PushSpec = build(tree, PushSpec)
    except SpecError as error:
        state.set_notice(" ".join(plain(problem.message) for problem in error.problems))
        return
    light_run.start(KIND, f"Pushing {run.name} to {spec.repo_id}", spec.model_dump(mode="json"))
