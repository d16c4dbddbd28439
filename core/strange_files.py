"""Files that are not what their name says: a pointer, a web page or a server's error in place of the content.

Looks at the first bytes, for data, weights and tokenizer files alike. Complete files of another format (a picture, a
database) are recognised by the readers of data files.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from core.messages import Message
from core.wording import size

HEAD_BYTES = 8192
MESSAGE_BYTES = 4096  # an error message saved in place of a file is shorter than this
LFS = re.compile(rb"version https?://(git-lfs\.github\.com|hawser\.github\.com|git-media\.io)/")
ANNEX = re.compile(rb"(\.\./)*(\.git)?/annex/objects/")
HTML = re.compile(r"<(!doctype\s+html|html|head|body|script|meta|title)[\s>]", re.IGNORECASE)
TITLE = re.compile(r"<title[^>]*>([^<]{1,300})", re.IGNORECASE)
XML_ERROR = re.compile(r"<(\w+:)?Error[\s>].{0,2000}?<(\w+:)?Code>([^<]{1,80})", re.IGNORECASE | re.DOTALL)
STATUS = re.compile(
    r"""(http/\d(\.\d)?\s+)?(error\s*(code)?:?\s*)?([45]\d\d\b[\s:.-]*)?
    (page\s|file\s|entry\s|repository\s|revision\s|resource\s)?
    (not\sfound|forbidden|unauthorized|access\s(is\s)?denied|access\sto\s.{1,200}\sis\srestricted|bad\s(request|gateway|
    credentials)|too\smany\srequests|(api\s)?rate\slimit|request\stimeout|gateway\stime-?out|internal\sserver\serror|
    service\s(temporarily\s)?unavailable|invalid\s(username\sor\spassword|credentials|signature)|permission\sdenied|
    upstream\sconnect\serror|nosuchkey|no\ssuch\skey|no\ssuch\sbucket)""",
    re.IGNORECASE | re.VERBOSE,
)
CODE_ALONE = re.compile(r"(http/\d(\.\d)?\s+[45]\d\d|error\s+(code:?\s*)?\d{3,4})\b[^,;|\t]{0,300}", re.IGNORECASE)
ERROR_KEYS = {"error", "errors", "fault", "documentation_url", "error_description", "error_code", "errorcode"}
TEXT_KEYS = {"message", "detail", "details", "msg", "title", "reason", "description"}
CODE_KEYS = {"status", "code", "statuscode", "status_code"}
OTHER_KEYS = {"type", "timestamp", "path", "traceid", "requestid", "request_id", "instance", "ok", "success", "data"}
UNFINISHED = (
    ".aria2",
    ".crdownload",
    ".part",
    ".partial",
    ".incomplete",
    ".download",
    ".opdownload",
    ".!ut",
    ".filepart",
)
STRANGERS = {
    b"[InternetShortcut]": "is a shortcut to a web page, not the file itself; open it in a browser and save the file",
    b"L\0\0\0\x01\x14\x02\0": "is a Windows shortcut, not the file itself; choose the file that it leads to",
    b"[Desktop Entry]": "is a shortcut, not the file itself; choose the file that it leads to",
    b"bplist00": "is a placeholder of macOS, not the file itself; open its folder in Finder and download the file",
    b"d8:announce": "is a torrent, not the file itself; download what it names",
    b"Salted__": "is encrypted; decrypt it first",
    b"-----BEGIN PGP MESSAGE": "is encrypted; decrypt it first",
    b"<<<<<<< ": "holds an unfinished merge of Git; resolve the conflict first",
}


def strange(path: Path) -> Message | None:
    """A sentence that says what a file is instead of its content, and the fix; None for an ordinary file.

    Reads a few kilobytes. Raises OSError.
    """
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    length = path.stat().st_size
    if unfinished := _unfinished(path):
        return unfinished
    if not head:
        return Message.of("strange-empty", "{file} is empty (0 bytes); copy or download it again", file=path.name)
    if pointer := _pointer(path.name, head):
        return pointer
    if not head.strip(b"\0"):
        return Message.of(
            "strange-zero-bytes",
            "{file} is filled with zero bytes, as a download or copy that did not finish leaves it; "
            "copy or download it again",
            file=path.name,
        )
    for magic, what in STRANGERS.items():
        if head.startswith(magic):
            return Message.of("strange-file", "{file} {kind}", file=path.name, kind=what)
    text = head.decode("utf-8", "replace").lstrip("\ufeff \t\r\n")
    return _page(path.name, text) or (_message(path.name, text) if length <= MESSAGE_BYTES else None)


def pointer(path: Path) -> Message | None:
    """The sentence for a file that only points to its content, such as a Git LFS pointer; else None. Raises OSError."""
    with path.open("rb") as file:
        return _pointer(path.name, file.read(HEAD_BYTES))


def _pointer(name: str, head: bytes) -> Message | None:
    if LFS.match(head):
        length = re.search(rb"^size (\d{1,18})\r?$", head, re.MULTILINE)
        missing = f" of {size(int(length.group(1)))}" if length else ""
        return Message.of(
            "lfs-pointer",
            "{name} is a Git LFS pointer, not the file{missing} itself; run git lfs pull in its "
            "folder, or download the file again",
            name=name,
            missing=missing,
        )
    if ANNEX.match(head):
        return Message.of(
            "annex-pointer",
            "{name} is a git-annex pointer, not the file itself; run git annex get on it, or download the file again",
            name=name,
        )
    if head.startswith(b"# xet version"):
        return Message.of(
            "xet-pointer", "{name} is a Xet pointer, not the file itself; download the file again", name=name
        )
    return None


def _unfinished(path: Path) -> Message | None:
    """Unfinished downloads: `train.csv.part`, or a control file beside it. `0.part` is a complete file of Dask."""
    name = path.name
    suffix = next((s for s in UNFINISHED if name.lower().endswith(s)), None)
    if suffix and not re.fullmatch(r"\d+\.part", name, re.IGNORECASE):
        return Message.of(
            "download-unfinished",
            "{name} is a download that did not finish, as its ending {suffix} says; download the file again",
            name=name,
            suffix=suffix,
        )
    beside = next((s for s in (".aria2", ".crdownload") if path.with_name(name + s).is_file()), None)
    if beside:
        return Message.of(
            "download-unfinished-beside",
            "{name} is a download that did not finish, as {name}{beside} beside it says; download the file again",
            name=name,
            beside=beside,
        )
    return None


def _page(name: str, text: str) -> Message | None:
    """Recognise web pages and other markup, after leading comments and declarations."""
    body, declared = text, text[:5].lower() == "<?xml"
    while body.startswith(("<!--", "<?")):
        end = "-->" if body.startswith("<!--") else "?>"
        _, closed, body = body.partition(end)
        if not closed:
            break
        body = body.lstrip()
    if HTML.match(body):
        title = TITLE.search(text)
        called = f" ({_short(title.group(1))!r})" if title and title.group(1).strip() else ""
        return Message.of(
            "file-is-web-page",
            "{name} is a web page{called}, not the file itself; download the file again, signed in "
            "where it needs that, and by the link to the file, not to its page",
            name=name,
            called=called,
        )
    if error := XML_ERROR.match(body):
        return _refusal(name, error.group(3))
    if not declared:
        return None
    return Message.of(
        "file-is-xml", "{name} is an XML document, which is not read here; bring its content to CSV or JSON", name=name
    )


def _message(name: str, text: str) -> Message | None:
    """Recognise a server's short error message: JSON, or a line such as `404: Not Found`."""
    if text.startswith("{"):
        return _json_message(name, text)
    lines = text.strip().splitlines()
    if lines and len(lines) <= 3 and (_is_status(lines[0]) or CODE_ALONE.fullmatch(lines[0])):
        return _refusal(name, lines[0])
    if len(lines) > 1 and re.match(r"HTTP/\d(\.\d)? \d{3}\b", lines[0]):
        return _refusal(name, lines[0])
    return None


def _json_message(name: str, text: str) -> Message | None:
    try:
        tree = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(tree, dict):
        return None
    keys = {key.lower(): value for key, value in tree.items()}
    if not keys or set(keys) - ERROR_KEYS - TEXT_KEYS - CODE_KEYS - OTHER_KEYS:
        return None
    words = [value for key, value in keys.items() if key in TEXT_KEYS | ERROR_KEYS and isinstance(value, str)]
    codes = [str(value) for key, value in keys.items() if key in CODE_KEYS]
    inner = keys.get("error")
    if isinstance(inner, dict):
        words += [value for value in inner.values() if isinstance(value, str)]
    refused = set(keys) & ERROR_KEYS or any(re.fullmatch(r"[45]\d\d", code) for code in codes)
    if refused or any(map(_is_status, words)):
        return _refusal(name, next(iter(words), next(iter(codes), "error")))
    return None


def _is_status(line: str) -> bool:
    """Whether a line is a server's error and not a row of a table: it contains no delimiter."""
    match = STATUS.match(line.strip())
    return match is not None and re.fullmatch(r"[^,;|\t]{0,300}", line.strip()[match.end() :]) is not None


def _refusal(name: str, words: str) -> Message:
    return Message.of(
        "file-is-error-message",
        "{name} is a server's error message ({words!r}), not the file itself; download the file "
        "again, signed in where it needs that",
        name=name,
        words=_short(words),
    )


def _short(text: str) -> str:
    """Untrusted text on one line, printable, at most 60 characters."""
    line = "".join(c if c.isprintable() else " " for c in " ".join(text.split()))
    return line if len(line) <= 60 else f"{line[:60]}…"
