"""The actions on runs that several pages offer: start, stop, resume, change and run again, rename, delete."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from core.errors import AccessDenied, RunNotFound, SpecError, StoreError, StoreTrouble, TunedeckError, WrongStatus
from core.runs.scheduler import remove_run, resume_run
from core.spec.run import RunSpec, build
from core.store import files as results
from core.store.record import ACTIVE, Run
from core.wording import counted, sentence, size
from ui import pages
from ui.components.basics import plain, show_error
from ui.session import resources, state

STOP_HELP = "Ends after the current step and keeps the model."


def start_training(name: str, spec: RunSpec) -> str | None:
    """Queue a training run and return its id; if it is refused, show the reason and return None."""
    try:
        run_id = resources.store().submit("train", name, spec.model_dump(mode="json"))
    except TunedeckError as error:
        show_error(error, "This run cannot be started")
        return None
    resources.scheduler().wake()
    return run_id


def stop(run_id: str) -> None:
    """Ask a run to stop; does nothing if it has just ended or been deleted."""
    state.ask_to_stop(None)
    try:
        resources.store().stop(run_id)
    except (WrongStatus, RunNotFound):
        return
    except (AccessDenied, StoreTrouble) as error:
        state.set_notice(plain(sentence(str(error))))
        return
    resources.scheduler().wake()


def resume(run_id: str) -> None:
    """Resume a run from its last checkpoint; if that is refused, the page shows why."""
    try:
        resume_run(resources.store(), resources.settings(), run_id)
    except (AccessDenied, StoreError) as error:
        state.set_notice(plain(sentence(str(error))))
        return
    resources.scheduler().wake()


def change_and_run_again(run: Run) -> None:
    """Take a run's spec to the New run page."""
    try:
        state.set_draft(build(run.spec))
    except SpecError as error:
        show_error(error, "The settings of this run are no longer valid")
        return
    st.switch_page(pages.NEW_RUN)


@st.dialog("Rename the run")
def rename_dialog(run: Run) -> None:
    with st.form("rename", border=False):
        name = st.text_input("Name", run.name, max_chars=200, key="rename_name")
        if st.form_submit_button("Rename", type="primary"):
            try:
                resources.store().rename(run.id, name)
            except TunedeckError as error:
                show_error(error)
            else:
                st.rerun()


@st.dialog("Delete for good?", icon=":material/delete:")
def delete_dialog(runs: Sequence[Run], leave: bool = False) -> None:
    """Asks before deleting; says what is deleted and how much space it frees. leave: go to the Runs page afterwards"""
    settings = resources.settings()
    freed = sum(results.folder_bytes(settings.run_dir(run.id)) for run in runs)
    named = "\n".join(f"- {plain(run.name)}" for run in runs[:8])
    more = f"\n- and {len(runs) - 8:,} more" if len(runs) > 8 else ""
    st.markdown(f"{named}{more}")
    if working := [run for run in runs if run.status in ACTIVE]:
        st.warning(f"{counted(len(working), 'of these runs is', 'of these runs are')} still working and will be kept.")
    st.caption(f"Models, predictions, curves and logs are deleted too. This frees {size(freed)} and cannot be undone.")
    with st.container(horizontal=True, horizontal_alignment="right"):
        if st.button("Keep", key="delete_no"):
            st.rerun()
        deletable = [run for run in runs if run.status not in ACTIVE]
        label = f"Delete {counted(len(deletable), 'run')}"
        if st.button(label, type="primary", key="delete_yes", disabled=not deletable) and _delete(deletable):
            if leave:
                st.switch_page(pages.RUNS)
            st.rerun()


def _delete(runs: Sequence[Run]) -> bool:
    """Delete runs; returns whether all were deleted, and shows an error for each that was not."""
    done = True
    for run in runs:
        try:
            remove_run(resources.store(), resources.settings(), run.id)
        except RunNotFound:
            continue  # another tab was quicker
        except (AccessDenied, StoreError) as error:
            show_error(error)
            done = False
    return done
