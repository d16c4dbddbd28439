"""The environment of `make`: created with venv and filled by pip, with a line or two of output instead of pip's pages.

python tools/environment.py make             create .venv, or say what this Python lacks
python tools/environment.py install -r FILE  install a requirements file; pip's output goes to .venv/install.log
"""

from __future__ import annotations

import importlib.util
import platform
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

VENV = Path(".venv")
LOG = VENV / "install.log"
SHOW_S = 0.2  # between two updates of a terminal's line
SAY_S = 30.0  # between two lines if the output is not a terminal
TAIL = 15


def make() -> int:
    """Create .venv; replaces a folder that an interrupted attempt left behind."""
    missing = [name for name in ("venv", "ensurepip") if importlib.util.find_spec(name) is None]
    if missing:
        say(f"{sys.executable} cannot make environments: it has no {' and no '.join(missing)}. {remedy()}")
        return 1
    say(f"Making {VENV} with Python {platform.python_version()} ({sys.executable}).")
    done = subprocess.run([sys.executable, "-m", "venv", "--clear", str(VENV)], capture_output=True, text=True)
    if done.returncode:
        shutil.rmtree(VENV, ignore_errors=True)
        say((done.stdout + done.stderr).strip() or "venv failed without a message.")
        say(f"The environment could not be made. {remedy()}")
    return done.returncode


def remedy() -> str:
    """A sentence with the system package to install."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    if shutil.which("apt-get"):
        return f"Install its package and run make again: sudo apt install python{version}-venv"
    if shutil.which("zypper"):
        return f"Install its package and run make again: sudo zypper install python{version.replace('.', '')}"
    return "Install a whole Python 3.11 to 3.13 (python.org, Homebrew or uv have one), or name one: make PYTHON=…"


def install(arguments: list[str]) -> int:
    """Run pip with these arguments; prints one line of progress, and the end of the log if it fails."""
    files = " and ".join(a for a in arguments if a.endswith(".txt"))
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--disable-pip-version-check",
        "--progress-bar",
        "off",
        *arguments,
    ]
    begun = time.monotonic()
    line = Line(f"Installing {files}")
    with LOG.open("a", encoding="utf-8", errors="replace") as log:
        log.write(f"\n$ {' '.join(command)}\n")
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8", errors="replace"
        ) as pip:
            assert pip.stdout is not None
            for text in pip.stdout:
                log.write(text)
                line.tell(text)
    if pip.returncode:
        line.end(f"Installing {files} failed. The end of {LOG}:")
        say("".join(LOG.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)[-TAIL:]).rstrip())
        return pip.returncode
    line.end(f"Installed {files}: {count(line.packages)} in {time.monotonic() - begun:.0f} s.")
    return 0


class Line:
    """A line with pip's progress: rewritten in a terminal, printed again now and then elsewhere."""

    def __init__(self, title: str) -> None:
        self.title, self.doing, self.packages, self._seen = title, "", 0, 0
        self._terminal = sys.stdout.isatty()
        self._next = 0.0
        self._show()

    def tell(self, text: str) -> None:
        """Update the progress from a line of pip's output."""
        text = text.strip()
        if match := re.match(r"Collecting (\S+)", text):
            self._seen += 1
            self.doing = f"{count(self._seen)} looked up, now {name_of(match[1])}"
        elif match := re.match(r"Downloading \S*?([^/\s]+?)(?:-[^/\s]*)? \(([\d.]+ [kMG]?B)\)", text):
            self.doing = f"downloading {match[1]} ({match[2]})"
        elif match := re.match(r"Installing collected packages: (.*)", text):
            self.packages = match[1].count(",") + 1
            self.doing = f"unpacking {self.packages} packages; this takes a few minutes"
        self._show()

    def _show(self) -> None:
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + (SHOW_S if self._terminal else SAY_S)
        text = f"{self.title}: {self.doing}" if self.doing else f"{self.title} …"
        if self._terminal:
            width = shutil.get_terminal_size().columns - 1
            sys.stdout.write(f"\r\033[K{text[:width]}")
            sys.stdout.flush()
        else:
            say(text)

    def end(self, text: str) -> None:
        """Replace the line with a final text."""
        if self._terminal:
            sys.stdout.write("\r\033[K")
        say(text)


def count(packages: int) -> str:
    return "nothing new" if not packages else "1 package" if packages == 1 else f"{packages} packages"


def name_of(requirement: str) -> str:
    """The package name of a requirement such as `torch==2.13.0`."""
    return re.split(r"[<>=!~\[;]", requirement)[0]


def say(text: str) -> None:
    print(text, flush=True)


def main(arguments: list[str]) -> int:
    if arguments[:1] == ["make"]:
        return make()
    if arguments[:1] == ["install"] and len(arguments) > 1:
        return install(arguments[1:])
    say(__doc__ or "")
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
