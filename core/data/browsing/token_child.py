"""Runs an untrusted tokenizer in a separate process: `python -m core.data.browsing.token_child`.

A tokenizer.json is a program: its rules can turn one line into gigabytes, its patterns can run for ever, and a fault in
it can end the process. The child reads questions from standard input and writes answers to standard output, each one
line of JSON; `core.data.browsing.token_process` asks the questions, sets the time limits and watches the memory.
"""

from __future__ import annotations

import faulthandler
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import ModelError
from core.models.tokenizer_rules import check_rules
from core.wording import library_message

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

MEMORY = 2 * 1024**3  # bytes; the largest tokenizers in use, of 35 MB, take 0.5 GB
GRACE_S = 5.0  # after the time limit of an answer: the asking process, if it still runs, ends this one sooner
MOST_TEXT = 200  # characters of a token: the name of the unknown token may be as long as a book
UNKNOWN = ("[UNK]", "<unk>", "<|unk|>")


def main() -> None:
    _limit_memory()
    opened: dict[tuple[str, int], Tokenizer] = {}
    for line in sys.stdin:
        try:
            question = json.loads(line)
            faulthandler.dump_traceback_later(question["seconds"] + GRACE_S, exit=True)  # waits for no lock of Python's
            answer = _answer(question, opened)
        except ModelError as error:
            answer = {"refused": str(error)}
        except MemoryError:
            answer = {"error": "it took more memory than it may have"}
        except BaseException as error:  # a Rust panic in the library is not an Exception
            if isinstance(error, KeyboardInterrupt | SystemExit):
                raise
            answer = {"error": library_message(error)}
        faulthandler.cancel_dump_traceback_later()
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def _limit_memory() -> None:
    """Limits the memory of this process on Linux. Elsewhere the asking process watches it from outside."""
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (ImportError, OSError, ValueError):
        pass


def _answer(question: dict[str, Any], opened: dict[tuple[str, int], Tokenizer]) -> dict[str, Any]:
    tokenizer = _open(question["path"], opened)
    match question["do"]:
        case "open":
            unknown = (tokenizer.token_to_id(name) for name in UNKNOWN)
            return {"vocabulary": tokenizer.get_vocab_size(), "unknown": [i for i in unknown if i is not None]}
        case "ids":
            rows = [tuple(row) if len(row) == 2 else row[0] for row in question["texts"]]
            return {"ids": [encoding.ids for encoding in tokenizer.encode_batch(rows)]}
        case "lengths":
            rows = [tuple(row) if len(row) == 2 else row[0] for row in question["texts"]]
            return {"lengths": [len(encoding.ids) for encoding in tokenizer.encode_batch(rows)]}
        case _:
            return {"tokens": _tokens(tokenizer, question["texts"], question["max_length"], question["most"])}


def _open(path: str, opened: dict[tuple[str, int], Tokenizer]) -> Tokenizer:
    """Opens a tokenizer without truncation or padding, and keeps it for the next question."""
    from tokenizers import Tokenizer

    key = (path, Path(path).stat().st_mtime_ns)
    if key not in opened:
        opened.clear()
        check_rules(Path(path))
        opened[key] = Tokenizer.from_file(path)
    tokenizer = opened[key]
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _tokens(tokenizer: Tokenizer, texts: list[str], max_length: int, most: int) -> list[tuple[str, str, bool]]:
    """Returns up to `most` tokens for `core.data.browsing.tokens.tokens_of`."""
    first, second = texts[0], texts[1] if len(texts) > 1 else None
    whole = tokenizer.encode(first, second)
    tokenizer.enable_truncation(max_length)
    left = _lengths(tokenizer.encode(first, second))
    result = []
    for text, special, sequence in zip(whole.tokens, whole.special_tokens_mask, whole.sequence_ids, strict=True):
        kind = "special" if special else "unknown" if text in UNKNOWN else "word"
        if sequence is not None:
            left[sequence] = left.get(sequence, 0) - 1
        result.append((_shortened(text), kind, sequence is not None and left[sequence] < 0))
        if len(result) == most:
            break
    return result


def _shortened(text: str) -> str:
    return text if len(text) <= MOST_TEXT else f"{text[:MOST_TEXT]}…"


def _lengths(encoding: Encoding) -> dict[int, int]:
    """Counts the tokens of each text of a pair, without special tokens."""
    counts: dict[int, int] = {}
    for sequence in encoding.sequence_ids:
        if sequence is not None:
            counts[sequence] = counts.get(sequence, 0) + 1
    return counts


if __name__ == "__main__":
    main()
