"""A Hub on 127.0.0.1: enough of its HTTP interface that unmodified huggingface_hub, datasets and transformers use it.

`server.LoopbackHub` serves `repos.Repo`s, each of which can be told to misbehave; `contents` makes small real models
and datasets; `fixture.hub` is the pytest fixture. What it does not have: xet (its headers are never sent, so clients
keep to plain HTTP to read, and have to be told HF_HUB_DISABLE_XET=1 to write), spaces, discussions, and pages of
results (every answer is one page).
"""
