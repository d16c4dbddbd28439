"""Tunedeck's dashboard, for `streamlit run streamlit_app.py`. The script that it runs is ui/app.py.

With a folder `pages/` beside the script, Streamlit takes the first visitor of a fresh server for one of its old kind of
multipage app, and answers a link to any page but the first with "Page not found".
"""

from pathlib import Path

import streamlit as st

app = st.App(Path(__file__).parent / "ui" / "app.py")
