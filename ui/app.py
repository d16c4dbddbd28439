"""The dashboard's script: navigation and bootstrap. The pages are in `pages/`, what they share in `ui/`."""

from pathlib import Path

import streamlit as st

from core.errors import TunedeckError
from ui import resources
from ui.components import show_error
from ui.pages import COMPARE, DATASETS, EVALUATE, NEW_RUN, PLAYGROUND, RUN, RUNS, SHARE, START

HERE = Path(__file__).parent

st.set_page_config(page_title="Tunedeck", page_icon=str(HERE / "icon.svg"), layout="wide")
st.logo(str(HERE / "logo.svg"), size="large", icon_image=str(HERE / "icon.svg"))
try:
    resources.scheduler()  # the background thread: once per process
except TunedeckError as error:
    show_error(error, "Tunedeck cannot start")
    st.stop()
page = st.navigation(
    {
        "": [START],
        "Data": [DATASETS],
        "Train": [NEW_RUN, RUNS, RUN],
        "Results": [EVALUATE, COMPARE, PLAYGROUND, SHARE],
    }
)
page.run()
