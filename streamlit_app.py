"""Tunedeck's dashboard, for `streamlit run streamlit_app.py`. The script that it runs is ui/app.py.

With a folder `pages/` beside the script, Streamlit takes the first visitor of a fresh server for one of its old kind of
multipage app, and answers a link to any page but the first with "Page not found".
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import streamlit as st

from core.errors import TunedeckError
from ui import resources


@asynccontextmanager
async def lifespan(_: st.App) -> AsyncIterator[None]:
    """Runs go on when the server is up, whether or not anybody looks; its lease is given back when it ends."""
    with suppress(TunedeckError):  # the pages say what is wrong
        resources.scheduler()
    yield
    with suppress(TunedeckError):
        resources.scheduler().close()


app = st.App(Path(__file__).parent / "ui" / "app.py", lifespan=lifespan)
