"""Share a run: others can read, load, repeat and check it.

`?run=ID` chooses the run; `&view=report` opens a tab.
"""

import streamlit as st

from ui import pages
from ui.components import linked_tabs
from ui.components.basics import empty_state
from ui.session import resources, state
from ui.share import (
    bundle,
    card,
    choose,
    code,
    export,
    hub,
    publish,
    report,
)

st.title("Share")
if notice := state.take_notice():
    st.error(notice, icon=":material/error:")
runs = choose.shareable()
if not runs:
    empty_state(
        "Nothing to share yet",
        "Train a model first; here it becomes a report, a model card, a script, a bundle, or a repository on the Hub.",
        icon=":material/ios_share:",
        page=pages.NEW_RUN,
        label="Train a model",
    )
    st.stop()
run = choose.run(runs)
own, may = run.imported is None, resources.may
VIEWS: dict[str, tuple[bool, linked_tabs.View]] = {
    "report": (True, (":material/article: Report", report.render)),
    "card": (own and may("card", run), (":material/badge: Model card", card.render)),
    "code": (True, (":material/code: Code", code.render)),
    "files": (own and may("work"), (":material/download: Model files", export.render)),
    "hub": (own and may("push", run), (":material/cloud_upload: Hub", hub.render)),
    "bundle": (may("work"), (":material/inventory_2: Bundle", bundle.render)),
    "publish": (may("publish", run), (":material/public: Publish", publish.render)),
}
linked_tabs.show({name: view for name, (offered, view) in VIEWS.items() if offered}, "share_tabs", run)
