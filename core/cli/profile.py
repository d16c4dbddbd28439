"""The command that describes a dataset: `profile`."""

from __future__ import annotations

import argparse

from core.cli import input as cli_input
from core.cli.group import Command, Result
from core.cli.lines import profile_lines
from core.cli.work import print_lines
from core.errors import HubError
from core.settings import Settings
from core.spec import run as specs
from core.store.store import Store


def add(command: Command) -> None:
    """Give the command line these commands."""
    profile = command("profile", _profile, "Tell what is in a dataset.")
    profile.add_argument("data", metavar="DATA", help="a file, a folder with train and test files, a Hub id, or sample")
    profile.add_argument("--config", help="the Hub dataset's configuration")
    profile.add_argument(
        "--text", action="append", default=[], metavar="COLUMN", help="a text column; guessed if not given"
    )
    profile.add_argument("--label", metavar="COLUMN", help="the label column; guessed if not given")
    profile.add_argument("--model", default="scratch", metavar="NAME", help="whose tokens to count")
    profile.add_argument("--exact", action="store_true", help="count the tokens of all rows, not of a sample")


def _profile(options: argparse.Namespace, store: Store, settings: Settings) -> Result:
    from core.data.inspecting.profile import profile_of

    data = cli_input.dataset(options.data, options.config, options.text, options.label)
    spec = specs.build({"data": data, "model": {"name": options.model}, "exact": options.exact}, specs.ProfileSpec)
    try:
        profile = profile_of(spec, settings, cli_input.progress())
    except HubError as error:
        if data["source"] == "hub":
            raise HubError(cli_input.with_path(error, options.data)) from None
        raise
    if not options.json:
        print_lines("\n".join(profile_lines(profile)))
    return profile.tree(), 0
