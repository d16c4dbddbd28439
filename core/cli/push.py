"""The command that uploads to the Hugging Face Hub: `push`."""

from __future__ import annotations

import argparse

from core.cli import input as cli_input
from core.cli.group import Command, Result
from core.cli.work import say, work_on
from core.settings import Settings
from core.sharing.hub.push_spec import PushSpec
from core.spec import run as specs
from core.store.lease import lease_holder
from core.store.store import Store
from core.store.summaries import Pushed


def add(command: Command) -> None:
    """Give the command line these commands."""
    push = command("push", _push, "Push a run's model, or its dataset, to the Hugging Face Hub; private unless asked.")
    push.add_argument("run", metavar="RUN", help="the id of the run")
    push.add_argument("--to", required=True, metavar="OWNER/NAME", help="the repository; made if it is not there")
    push.add_argument("--public", action="store_true", help="let everybody see it")
    push.add_argument("--dataset", action="store_true", help="push the run's dataset instead of its model")
    push.add_argument("--may-publish-texts", action="store_true", help="confirm that the dataset's texts may go out")
    push.add_argument("--final-tests", action="store_true", help="with --split: final tests may go out too")
    push.add_argument("--split", action="append", default=[], metavar="SPLIT", help="a split of the dataset to push")
    push.add_argument("--licence", default="", help="the dataset's licence as the Hub calls it, such as cc-by-4.0")
    push.add_argument("--language", default="", help="the dataset's language, such as en")
    push.add_argument("--update", action="store_true", help="replace what a repository of this name holds")
    push.add_argument("--branch", help="the branch of the repository; main if not given")
    push.add_argument("--message", default="", help="one line for the repository's history")
    push.add_argument("--card", metavar="README.md", help="the file with the card's text")


def _push(options: argparse.Namespace, store: Store, settings: Settings) -> Result:
    trained = store.run(options.run)
    tree = {
        "run": trained.id,
        "attempt": trained.attempt,
        "what": "dataset" if options.dataset else "model",
        "repo_id": options.to,
        "private": not options.public,
        "branch": options.branch,
        "message": options.message,
        "update": options.update,
        "card": cli_input.read_card(options.card, settings),
        "splits": options.split,
        "licence": options.licence,
        "language": options.language,
        "with_texts": options.may_publish_texts,
        "final_tests": options.final_tests,
    }
    spec: PushSpec = specs.build(tree, PushSpec)
    if lease_holder(store) is not None:
        say("The dashboard that is open does the upload, with the Hub token that it has.")
    run_id = store.submit("push", f"Pushing {trained.name} to {spec.repo_id}", spec.model_dump(mode="json"))
    result, status = work_on(run_id, False, store, settings)
    tree = store.run(run_id).summary
    pushed = Pushed.of(tree)
    if pushed.commit:
        say(f"{pushed.url} has it ({'private' if pushed.private else 'public'}).")
    return result | {"push": tree}, status
