"""Whether the Hub may be asked at all, and whether it answers, so that nothing is proposed that cannot be had."""

from __future__ import annotations

import time
from urllib.parse import urlsplit

from core.hosts import LOOPBACK
from core.hub.errors import hub_errors

TIMEOUT_S = 4.0
SILENT_S = 300.0  # for so long nothing is proposed from a Hub that did not answer
_silent_until = 0.0


def may_be_asked() -> bool:
    """Whether downloads may be proposed. No network.

    False with HF_HUB_OFFLINE, with a Hub on this machine (a test's or a mirror of a few models), and some minutes
    after the Hub did not answer.
    """
    from huggingface_hub import constants

    if constants.is_offline_mode() or time.monotonic() < _silent_until:
        return False
    return urlsplit(constants.ENDPOINT).hostname not in LOOPBACK


def answers() -> bool:
    """Asks the Hub for the head of its first page, through the proxy if there is one; for right before a download."""
    global _silent_until
    from huggingface_hub import constants, get_session

    if not may_be_asked():
        return False
    try:
        get_session().head(constants.ENDPOINT, timeout=TIMEOUT_S)
    except hub_errors():
        _silent_until = time.monotonic() + SILENT_S
        return False
    return True
