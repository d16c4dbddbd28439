"""Questions to a tokenizer are answered again after its process was killed from outside."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from core.data.browsing import token_process
from core.errors import DataError
from core.models.scratch import train_wordpiece
from core.runs.process import WINDOWS


def _kill() -> None:
    child = token_process._process._child
    assert child is not None
    os.kill(child.pid, signal.SIGKILL)


@pytest.mark.skipif(WINDOWS, reason="there are no signals")
def test_a_tokenizer_whose_process_the_system_killed_is_tried_again(tmp_path: Path) -> None:
    """The system may kill it when memory runs out, which is not a fault of the tokenizer."""
    path = tmp_path / "tokenizer.json"
    path.write_text(train_wordpiece(["a good film"] * 10).to_str())
    tokenizer = token_process.open_limited(path)
    killer = threading.Timer(0.2, _kill)
    killer.start()
    with pytest.raises(DataError, match="ended by the system, most often because memory ran out; close other programs"):
        for _ in range(50):
            tokenizer.lengths([["a good film " * 80_000]])
    killer.join()
    assert len(tokenizer.tokens(["a good film"], 32, 10)) > 3
    _kill()
    time.sleep(0.5)
    assert len(tokenizer.tokens(["a good film"], 32, 10)) > 3, "one that was killed between two questions is not missed"
