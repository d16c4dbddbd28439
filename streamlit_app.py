"""Tunedeck's dashboard, for `streamlit run streamlit_app.py`. The script that it runs is ui/app.py.

A script with a folder `pages/` beside it is an old multipage app to Streamlit: on a fresh server it answers the first
link to any page except the first with "Page not found".
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware
from streamlit import config

from core.errors import TunedeckError
from core.runs.process import allow_open_files
from ui.session import resources
from ui.session.request_guard import RequestGuard, Rules
from ui.session.upload_guard import UploadGuard
from ui.session.visitors import VisitorCookie

allow_open_files()
SETTINGS, MODE, RULES = None, "local", Rules(checked=False)
with suppress(TunedeckError):  # the pages say what is wrong
    SETTINGS = resources.installation()
    MODE, RULES = SETTINGS.mode, Rules(SETTINGS.mode == "local", SETTINGS.allowed_hosts, SETTINGS.embed_origins)
# The download that Streamlit's tables have of their own writes cells as they are: one that begins with = + - or @ is a
# formula to a spreadsheet. Downloads of ours keep such cells from being one.
config.set_option("client.disableDataExport", True)
if SETTINGS is not None:
    config.set_option("server.maxUploadSize", max(1, SETTINGS.max_upload_bytes // 1024**2))


@asynccontextmanager
async def lifespan(_: st.App) -> AsyncIterator[None]:
    """Start the scheduler with the server, without waiting for a visitor, and release its lease at the end."""
    with suppress(TunedeckError):
        resources.scheduler()
    yield
    with suppress(TunedeckError):
        resources.scheduler().close()


app = st.App(
    Path(__file__).parent / "ui" / "app.py",
    lifespan=lifespan,
    middleware=[
        Middleware(RequestGuard, rules=RULES),
        Middleware(UploadGuard, settings=SETTINGS),
        Middleware(VisitorCookie, on=MODE == "demo"),
    ],
)
