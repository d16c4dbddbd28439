"""A folder to deploy: this app, in a mode that only shows or lets visitors try, with the bundles of some runs.

streamlit_app.py pages/ ui/ core/ .streamlit/   the app itself
tunedeck.toml                                   its mode
requirements.txt                                what that mode needs, pinned
results/<run>.zip                               the bundles
README.md                                       how to put it on Streamlit Community Cloud
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import ModelError
from core.files import write_text
from core.settings import CONFIGURATION, PROJECT
from core.sharing import redact
from core.sharing.bundles import zips
from core.sharing.bundles.bundle import build
from core.sharing.bundles.bundle_spec import PublishSpec
from core.store.summaries import Published

if TYPE_CHECKING:
    from core.runs.writer import RunWriter
    from core.settings import Settings
    from core.store.record import Run

NAME, FOLDER = "tunedeck-site.zip", "tunedeck-site"
APP = ("streamlit_app.py", "LICENSE", ".streamlit/config.toml")
FOLDERS = {"pages": (".py",), "ui": (".py", ".svg"), "core": (".py",)}
MODE_FILE = CONFIGURATION
DASHBOARD_PART, WORKER_PART = "# The dashboard's process", "# The worker's process"
SIGN_IN = {"authlib", "httpx"}
# Of what a worker may import, what training and judging the sample takes.
DEMO = (
    "torch", "transformers", "accelerate", "datasets", "evaluate", "scikit-learn", "scipy", "captum", "cleanlab",
    "safetensors", "py3langid", "numpy",
)  # fmt: skip
CPU_INDEX = "https://download.pytorch.org/whl/cpu"


def publish(spec: PublishSpec, run: Run, settings: Settings, report: RunWriter) -> Published:
    """Leaves tunedeck-site.zip in the run's folder. Raises RunNotFound, ModelError."""
    trained = [report.store.run(run_id) for run_id in dict.fromkeys(spec.runs)]
    for one in trained:
        if one.kind != "train" or not one.is_final:
            raise ModelError.of(
                "run-not-publishable",
                "run {run} is no training run that has ended, so it cannot be published; leave it out",
                run=one.id,
            )
    path = settings.run_dir(run.id) / NAME
    with tempfile.TemporaryDirectory(dir=settings.run_dir(run.id)) as temporary:
        site = Path(temporary) / FOLDER
        report.phase("Copying the app")
        copy_app(site, spec.mode)
        (site / "results").mkdir()
        for number, one in enumerate(trained):
            report.fraction(f"Bundling {one.name}", number / len(trained))
            folder = Path(temporary) / one.id
            build(one, spec.texts, report.store, settings, folder, report)
            zips.pack(folder, site / "results" / f"{one.id}.zip", report.check_stop)
            shutil.rmtree(folder)
        titles = [redact.clean(one.name, settings) for one in trained]
        write_text(site / "README.md", readme(titles, spec.mode, spec.texts))
        report.phase("Packing")
        zips.pack(site, path, report.check_stop)
    return Published(file=NAME, bytes=path.stat().st_size, runs=len(trained), mode=spec.mode, texts=spec.texts)


def copy_app(site: Path, mode: str) -> None:
    """The app with its mode and its requirements, in a new folder."""
    site.mkdir(parents=True)
    for name in APP:
        (site / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(PROJECT / name, site / name)
    for folder, endings in FOLDERS.items():
        for file in sorted((PROJECT / folder).rglob("*")):
            if file.suffix in endings and file.is_file():
                target = site / file.relative_to(PROJECT)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, target)
    write_text(
        site / MODE_FILE,
        f'# What visitors may do: viewer, or demo.\nmode = "{mode}"\n'
        "# Which pages may hold this one in a frame, such as https://blog.example.org; * is every page.\n"
        'embed_origins = "*"\n',
    )
    write_text(site / "requirements.txt", requirements(mode))
    write_text(site / ".gitignore", "__pycache__/\n.streamlit/secrets.toml\n")


def requirements(mode: str) -> str:
    """What a mode imports, at the versions that this app has."""
    pinned = (PROJECT / "requirements.txt").read_text(encoding="utf-8")
    dashboard, worker = pinned.partition(DASHBOARD_PART)[2].split(WORKER_PART)
    lines = [line for line in _pins(dashboard) if _package(line) not in SIGN_IN]
    lines += [line for line in _pins(worker) if _package(line) == "numpy"]
    if mode == "demo":
        lines += [line for line in _pins(worker) if _package(line) in DEMO and line not in lines]
        return "\n".join(["# torch without CUDA", f"--extra-index-url {CPU_INDEX}", *map(_for_cpu, lines)]) + "\n"
    return "\n".join(lines) + "\n"


def _pins(part: str) -> list[str]:
    return [line.strip() for line in part.splitlines() if re.match(r"\w", line)]


def _package(line: str) -> str:
    return re.split(r"[=\[;]", line)[0].strip().lower()


def _for_cpu(line: str) -> str:
    return f"{line}+cpu" if _package(line) == "torch" else line


def readme(titles: Sequence[str], mode: str, texts: bool) -> str:
    """How to deploy the folder; titles of runs are anybody's words, so they stand in code."""
    listed = "\n".join(f"- `{' '.join(title.replace('`', chr(39)).split())[:200]}`" for title in titles)
    visitors = "look at the results" if mode == "viewer" else "look at the results and train the sample, under limits"
    what = "with" if texts else "without"
    return f"""# Results, shown by Tunedeck

Visitors may {visitors}. In `results/` lie, {what} the texts of the judged examples:

{listed}

## On Streamlit Community Cloud

1. Put the content of this folder into a new GitHub repository (`git init`, `git add .`, `git commit`, `git push`).
2. On <https://share.streamlit.io> choose **Create app**, then the repository, branch `main`, file `streamlit_app.py`.
3. Under **Advanced settings** take Python 3.12; no secret is needed. **Deploy**.

A run opens by `https://YOUR-APP.streamlit.app/run?run=ID`; with `&embed=true` it fits into another page.
To show other results, replace the zips in `results/`: each is what `python -m core export RUN --to NAME.zip` writes.

## On a computer

```
python -m venv .venv
.venv/bin/pip install -r requirements.txt
.venv/bin/streamlit run streamlit_app.py
```
"""
