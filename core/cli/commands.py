"""The command line: the same runs, store, scheduler and workers as the pages.

Messages for people go to standard error. With `--json` the last line of standard output is one JSON object.
Exit status: 0 done, 1 the run failed, 2 bad input, with a message that names the value, the rule and the fix.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

from core.cli import judging, profile, push, runs, sharing, training
from core.cli.group import Action
from core.cli.work import say
from core.errors import SpecError, TunedeckError
from core.files import finite
from core.settings import from_environment, home_warning
from core.store.store import Store


def main(arguments: Sequence[str]) -> int:
    options = _parser().parse_args(arguments)
    try:
        settings = from_environment()
        if warning := home_warning(settings.home):
            say(warning)
        result, status = options.command(options, Store(settings.store_path), settings)
    except SpecError as error:
        result, status = {"error": str(error), "problems": [vars(p) for p in error.problems]}, 2
        say(str(error))
    except TunedeckError as error:
        result, status = {"error": str(error)}, 2
        say(str(error))
    if options.json:
        print(json.dumps(finite(result), ensure_ascii=False), flush=True)
    return status


GROUPS = (training, runs, judging, profile, push, sharing)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m core", description="Fine-tune transformers without a browser.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, action: Action, text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text)
        sub.add_argument("--json", action="store_true", help="print one JSON object as the last line")
        sub.set_defaults(command=action)
        return sub

    for group in GROUPS:
        group.add(command)
    return parser
