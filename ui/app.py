"""The dashboard's script: navigation and bootstrap. The pages are in `pages/`, what they share in `ui/`."""

from pathlib import Path

import streamlit as st

from core.errors import StoreTrouble, TunedeckError
from ui.components import trouble
from ui.components.basics import for_display, plain, show_error
from ui.pages import AUDIT, COMPARE, DATASETS, EVALUATE, NEW_RUN, PLAYGROUND, RUN, RUNS, SHARE, START, is_offered
from ui.session import resources, sign_in, state

HERE = Path(__file__).parent

st.set_page_config(page_title="Tunedeck", page_icon=str(HERE / "icon.svg"), layout="wide")
st.logo(str(HERE / "logo.svg"), size="large", icon_image=str(HERE / "icon.svg"))
try:
    thread = resources.scheduler()  # the background thread: once per process
except TunedeckError as error:
    show_error(error, "Tunedeck cannot start")
    trouble.wait()
    st.stop()
try:
    who = sign_in.must_come_in()
except StoreTrouble as error:
    trouble.show(error)
    st.stop()
if thread.trouble:
    st.warning(
        f"No run is started or looked after now. {plain(for_display(thread.trouble))}", icon=":material/warning:"
    )
sections = {
    "": [START],
    "Data": [DATASETS],
    "Train": [NEW_RUN, RUNS, RUN],
    "Results": [EVALUATE, COMPARE, PLAYGROUND, SHARE],
    "Team": [AUDIT],
}
offered = {title: [page for page in pages if is_offered(page)] for title, pages in sections.items()}
page = st.navigation(
    {title: pages for title, pages in offered.items() if pages},
    position="hidden" if st.context.is_embedded else "sidebar",
)
if not st.context.is_embedded:
    sign_in.who_is_here(who)
state.come_to(page.url_path, st.query_params.to_dict())
try:
    page.run()
except StoreTrouble as error:
    trouble.show(error)
finally:
    state.be_there()
