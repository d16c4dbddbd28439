"""The audit: sign-ins, starts, stops, deletions and publications. For admins of a team."""

import pandas as pd
import streamlit as st

from core.errors import AccessDenied
from core.store import audit_log
from core.wording import counted
from ui.components.basics import empty_state, local_timezone, show_error
from ui.session import resources

MOST_ROWS = 2_000

st.title("Audit")
try:
    entries = audit_log.entries(resources.store())
except AccessDenied as error:
    show_error(error)
    st.stop()
if not entries:
    empty_state("Nothing yet", "Each sign-in, start, stop, deletion and publication is listed here.")
    st.stop()
with st.container(horizontal=True, vertical_alignment="center"):
    words = (
        st.text_input(
            "Search",
            placeholder="Search people, actions, runs",
            label_visibility="collapsed",
            key="audit_search",
            type="search",
            width=320,
        )
        .casefold()
        .split()
    )
    matches = [e for e in entries if all(w in f"{e.person} {e.action} {e.run} {e.detail}".casefold() for w in words)]
    st.caption(counted(len(matches), "entry", "entries"), width="stretch")
    st.download_button(
        "Download CSV",
        lambda: audit_log.as_csv(matches),
        "audit.csv",
        "text/csv",
        key="audit_csv",
        icon=":material/download:",
        on_click="ignore",
    )
frame = pd.DataFrame([vars(e) for e in matches[:MOST_ROWS]], columns=list(audit_log.COLUMNS))
frame["time"] = pd.to_datetime(frame["time"], unit="s", utc=True).dt.tz_convert(local_timezone())
st.dataframe(
    frame,
    hide_index=True,
    height=min(560, 36 * (len(frame) + 1)),
    alt="Who did what, newest first",
    key="audit_table",
    column_config={
        "time": st.column_config.DatetimeColumn("Time", format="D MMM YY, HH:mm:ss", width=150),
        "person": st.column_config.TextColumn("Person", width=200),
        "action": st.column_config.TextColumn("Action", width=90),
        "run": st.column_config.TextColumn("Run", width=100),
        "detail": st.column_config.TextColumn("Detail", width="large"),
    },
)
