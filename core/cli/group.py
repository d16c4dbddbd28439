"""What a group of commands is given and gives back."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from core.settings import Settings
from core.store.store import Store

Result = tuple[dict[str, Any], int]
"""What `--json` prints, and the exit status."""

Action = Callable[[argparse.Namespace, Store, Settings], Result]

Command = Callable[[str, Action, str], argparse.ArgumentParser]
"""Adds a command: its name, what it does, a sentence on it."""
