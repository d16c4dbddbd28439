"""The Chromium for the browser tests: an installed one, else Playwright's own, else the system's package.

python tools/browser.py    finds or installs one, records it in .venv/browser, and prints one line
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NOTE, LOG = ROOT / ".venv" / "browser", ROOT / ".venv" / "browser.log"
VARIABLE = "CHROMIUM"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge")
PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
    r"C:\Program Files\Google\Chrome\Application\chrome.exe",
    r"C:\Program Files (x86)\Google\Chrome\Application\chrome.exe",
    r"C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe",
)
# A manager's program, what refreshes its lists, and what installs a Chromium, a font for Japanese and what Playwright's
# driver is linked with.
MANAGERS: tuple[tuple[str, Sequence[str], Sequence[str]], ...] = (
    (
        "apt-get",
        ["update", "-qq"],
        ["install", "-y", "-qq", "--no-install-recommends", *("chromium", "fonts-noto-cjk", "libatomic1")],
    ),
    ("dnf", [], ["install", "-y", "-q", "chromium", "google-noto-sans-cjk-fonts", "libatomic"]),
    ("pacman", [], ["-Sy", "--noconfirm", "--needed", "chromium", "noto-fonts-cjk"]),
    ("zypper", [], ["--non-interactive", "--quiet", "install", "chromium", "noto-sans-cjk-fonts", "libatomic1"]),
)
DOWNLOAD_S, INSTALL_S, START_S = 600, 900, 60
WHERE = """
from playwright.sync_api import sync_playwright
with sync_playwright() as playwright:
    print(playwright.chromium.executable_path)
"""
DRIVE = """
import sys
from playwright.sync_api import sync_playwright
with sync_playwright() as playwright:
    playwright.chromium.launch(executable_path=sys.argv[1], args=["--no-sandbox", "--disable-gpu"]).close()
"""


def find() -> str | None:
    """The path of a Chromium: the one that `make test` chose, else any installed one; None if there is none."""
    if VARIABLE not in os.environ and NOTE.exists():
        return noted()
    return next(candidates(), None)


def candidates() -> Iterator[str]:
    """Installed Chromium programs: only the one named in CHROMIUM, else those on the PATH and in the usual places."""
    if named := os.environ.get(VARIABLE):
        yield from filter(None, [shutil.which(named)])
        return
    yield from filter(None, map(shutil.which, NAMES))
    yield from (place for place in PLACES if Path(place).is_file())
    yield from filter(None, [noted()])  # Playwright's own lies elsewhere


def noted() -> str | None:
    """The program that was chosen before, if it still exists."""
    try:
        program = NOTE.read_text(encoding="utf-8").strip()
    except OSError:
        return None
    return program if Path(program).is_file() else None


def hint() -> str:
    """The command with which a person can install a browser."""
    manager = next((m for m in MANAGERS if shutil.which(m[0])), None)
    if manager is None:
        return f"{sys.executable} -m playwright install chromium"
    name, _, install = manager
    return f"sudo {name} {' '.join(word for word in install if word.strip('-') not in ('q', 'qq', 'quiet'))}"


def bring() -> str | None:
    """Install Playwright's Chromium, else the system's package if that needs no password. Returns its path."""
    say("Fetching a Chromium for the browser tests with Playwright …")
    if (program := _download()) and starts(program):
        return program
    for commands in _packages():
        say(f"Playwright's Chromium cannot be installed or does not start; running {' '.join(commands[-1])} …")
        if all(_runs(command, INSTALL_S) for command in commands):
            return next(filter(starts, candidates()), None)
    return None


def _download() -> str | None:
    if not _runs([sys.executable, "-m", "playwright", "install", "chromium"], DOWNLOAD_S):
        return None
    done = subprocess.run([sys.executable, "-c", WHERE], capture_output=True, text=True, encoding="utf-8")
    return done.stdout.strip() or None


def _packages() -> Iterator[list[list[str]]]:
    """The commands of each package manager that can be used without a password."""
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        prefix: list[str] = []
    elif shutil.which("sudo") and _runs(["sudo", "-n", "true"], START_S):
        prefix = ["sudo", "-n"]
    else:
        return
    for name, refresh, install in MANAGERS:
        if shutil.which(name):
            yield [[*prefix, name, *part] for part in (refresh, install) if part]


def starts(program: str) -> bool:
    """Whether Playwright can drive the program; it or Playwright's driver may lack system libraries."""
    return _runs([sys.executable, "-c", DRIVE, program], START_S)


def _runs(command: Sequence[str], timeout_s: float) -> bool:
    """Whether a command succeeds in time; its output goes to .venv/browser.log."""
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    LOG.parent.mkdir(exist_ok=True)
    with LOG.open("ab") as log:
        log.write(f"\n$ {' '.join(command)}\n".encode())
        log.flush()
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                timeout=timeout_s,
                env=environment,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            log.write(f"{error}\n".encode())
            return False
    return done.returncode == 0


def say(text: str) -> None:
    print(text, flush=True)


def main() -> int:
    """Exit status 0 also without a browser: the other tests run, and the suite reports what was skipped."""
    if os.environ.get(VARIABLE) and next(candidates(), None) is None:
        say(f"{VARIABLE} names {os.environ[VARIABLE]!r}, which is not a program; correct it or unset it.")
        return 2
    program = next(filter(starts, candidates()), None) or bring()
    if program is None:
        say(f"Browser tests are skipped: there is no Chromium (see .venv/{LOG.name}). To install one: {hint()}")
    elif program != noted():
        say(f"The browser tests use {program}.")
    NOTE.write_text(program or "", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
