"""Two or more models on the same examples: which is better, and is that sure?

`?evaluations=ID,ID` chooses the evaluations; `?comparison=ID` opens a comparison that was made.
"""

import streamlit as st

from ui import pages
from ui.components.basics import empty_state
from ui.evaluate import compare, judged
from ui.session import resources, state

st.title("Compare")
if notice := state.take_notice():
    st.error(notice, icon=":material/error:")
runs = judged.evaluations()
if len(runs) < 2:
    empty_state(
        "Nothing to compare yet" if not runs else "One more is needed",
        "Evaluate two or more models on the same split; here they are compared on the same examples.",
        icon=":material/compare_arrows:",
        page=pages.EVALUATE,
        label="Evaluate a model",
    )
    st.stop()
may_compare = resources.may("work")
chosen = compare.choose(runs) if may_compare else compare.published(runs)
if not may_compare and not chosen:
    st.stop()
if len(chosen) < 2:
    st.caption("Choose two or more evaluations on the same split. A final test is the fairest of them.")
    st.stop()
if (comparison := compare.comparison(chosen)) is not None:
    compare.show(comparison, chosen)
