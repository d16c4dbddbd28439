"""Uploads files to a repository on the Hub in one commit: large files first, each once, with progress and a stop.

`huggingface_hub` gets open files and therefore sends them over plain HTTP: every byte sent is counted here, a stop
takes effect in the middle of a file, and files that the storage already has are not sent again.
"""

from __future__ import annotations

import fnmatch
import io
import logging
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from core.errors import HubError, TunedeckError
from core.events import Level
from core.hub.download import TOKENIZER_FILES, readable
from core.hub.errors import What, endpoint, hub_errors, status_of, without_secrets
from core.messages import Argument, Message
from core.sharing.hub.hub_account import Account
from core.sharing.hub.outgoing import Outgoing
from core.sharing.hub.push_errors import explain_upload, taken
from core.sharing.model.model_files import CARD
from core.store.summaries import Pushed

ANSWER_S = 300.0
"""How long to wait for the Hub after a commit or the last part of a large file."""
OURS = (CARD, "config.json", "calibration.json", "*.safetensors", "*.safetensors.index.json", *TOKENIZER_FILES)
"""The files of a model's repository that a push replaces; it leaves other files alone."""
NEW = (".gitattributes", CARD)
"""Files that the Hub creates with a new repository."""


class Reporter(Protocol):
    """The part of a run's writer that an upload needs."""

    @property
    def stop_requested(self) -> bool: ...
    def phase(self, text: str) -> None: ...
    def fraction(self, text: str, done: float | None = None) -> None: ...
    def message(self, text: str, level: Level = "info", code: str = "", **arguments: Argument) -> None: ...


@dataclass(frozen=True)
class Target:
    """The destination of an upload; PushSpec describes the fields."""

    what: What
    repo_id: str
    private: bool
    branch: str | None
    message: str
    update: bool

    @property
    def url(self) -> str:
        return f"{endpoint()}/{'datasets/' if self.what == 'dataset' else ''}{self.repo_id}"


@dataclass(frozen=True)
class Repository:
    """An existing repository: its last commit, whether it is private, the paths of its files."""

    commit: str
    private: bool
    files: tuple[str, ...]


class Interrupted(Exception):
    """A stop was requested during the upload."""


class Counted(io.BufferedIOBase):
    """An open file that reports its progress while it is sent, and raises Interrupted on a stop.

    tell: called with the position in the file, in bytes
    `sent` adds up the bytes sent, including repetitions after a lost connection.
    """

    def __init__(self, file: BinaryIO, stopping: Callable[[], bool], tell: Callable[[int], None]) -> None:
        self._file, self._stopping, self._tell = file, stopping, tell
        self.sending = False
        self.sent = 0

    def read(self, size: int | None = -1, /) -> bytes:
        if self._stopping():
            raise Interrupted
        part = self._file.read(-1 if size is None else size)
        if self.sending:
            self.sent += len(part)
            self._tell(self._file.tell())
        return part

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def close(self) -> None:
        self._file.close()
        super().close()


def upload(target: Target, files: Sequence[Outgoing], account: Account, report: Reporter) -> Pushed:
    """Create the repository if it does not exist, and commit the files. Returns the run's summary.

    After a stop, files that have arrived stay and the summary has no commit. Raises HubError.
    """
    job = _Job(target, files, account, report)
    try:
        with _quietly():
            return job.work()
    except _foreseen() as error:
        if report.stop_requested:
            stopped = job.stopped()
            report.message(stopped.text, "info", stopped.id, **stopped.arguments)
            return job.summary(None)
        if isinstance(error, TunedeckError):
            raise
        raise explain_upload(error, target.what, target.repo_id, account.name, job.there()) from None


def _foreseen() -> tuple[type[Exception], ...]:
    """The exceptions of a stop or a failed request; the library wraps some of them in its own."""
    return (Interrupted, TunedeckError, RuntimeError, ValueError, *hub_errors())


@contextmanager
def _quietly() -> Iterator[None]:
    """Silence the library, which logs each request with its address; storage addresses are signed, hence secret."""
    logger = logging.getLogger("huggingface_hub")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


class _Job:
    """One upload and its progress."""

    def __init__(self, target: Target, files: Sequence[Outgoing], account: Account, report: Reporter) -> None:
        from huggingface_hub import HfApi

        self.target, self.files, self.account, self.report = target, list(files), account, report
        self.api = HfApi()
        self.total = sum(file.size for file in self.files)
        self.arrived = 0  # bytes of the files that have arrived
        self.large: list[str] = []  # names of the large ones
        self.sent = 0  # bytes sent
        self.private = target.private
        self.created = False

    def work(self) -> Pushed:
        self.report.phase("Looking at the repository")
        repository = self._look() or self._create()
        self._check(repository)
        parent = self._branch(repository)
        self._check_card()
        from huggingface_hub import CommitOperationDelete

        with self._opened() as operations:
            self._send(operations)
            self.report.phase("Committing")
            if self.report.stop_requested:
                raise Interrupted
            gone = [CommitOperationDelete(path) for path in self._stale(repository)]
            done = self.api.create_commit(
                self.target.repo_id,
                [*gone, *operations.values()],
                repo_type=self.target.what,
                commit_message=self.target.message or "Upload with Tunedeck",
                revision=self.target.branch,
                parent_commit=parent,
                num_threads=1,
            )
        return self.summary(done.oid)

    def summary(self, commit: str | None) -> Pushed:
        return Pushed(
            what=self.target.what,
            repo=self.target.repo_id,
            url=self.target.url,
            private=self.private,
            commit=commit,
            files=len(self.files),
            bytes=self.total,
            sent=self.sent,
        )

    def there(self) -> str:
        """A sentence on what has arrived; empty if nothing has."""
        large = [file.path for file in self.files if isinstance(file.source, Path)]
        if self.large:
            return (
                f"{len(self.large)} of {len(large)} large files ({readable(self.arrived)}) have arrived at "
                f"{self.target.repo_id} and will not be sent again"
            )
        return f"The repository {self.target.repo_id} was created and is still empty" if self.created else ""

    def stopped(self) -> Message:
        """A sentence on a push that was stopped, and on what has arrived until then."""
        if self.large:
            return Message.of(
                "push-stopped-with-files",
                "Stopped. {count} of {total} large files ({size}) have arrived at {repository} and will not be sent "
                "again",
                count=len(self.large),
                total=sum(isinstance(file.source, Path) for file in self.files),
                size=readable(self.arrived),
                repository=self.target.repo_id,
            )
        if self.created:
            return Message.of(
                "push-stopped-repository-empty",
                "Stopped. The repository {repository} was created and is still empty",
                repository=self.target.repo_id,
            )
        return Message("Stopped.", "push-stopped")

    def _look(self) -> Repository | None:
        from huggingface_hub import constants, get_session
        from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

        get_session().timeout = constants.HF_HUB_DOWNLOAD_TIMEOUT
        ask: Callable[..., Any] = self.api.repo_info
        try:
            info = ask(self.target.repo_id, repo_type=self.target.what)
        except GatedRepoError:
            raise taken(self.target.what, self.target.repo_id, self.account.namespaces) from None
        except RepositoryNotFoundError as error:
            if status_of(error) == 401:
                raise
            return None
        if info.id != self.target.repo_id:
            raise HubError.of(
                "repository-moved",
                "{name!r} has moved to {moved!r}; push there, or choose another name",
                name=self.target.repo_id,
                moved=info.id,
            )
        return Repository(str(info.sha), bool(info.private), tuple(file.rfilename for file in info.siblings or ()))

    def _create(self) -> Repository:
        from huggingface_hub.errors import HfHubHTTPError

        self.report.phase("Creating the repository")
        try:
            self.api.create_repo(self.target.repo_id, repo_type=self.target.what, private=self.target.private)
        except HfHubHTTPError as error:
            if status_of(error) == 409:  # somebody was quicker, or the repository is private and invisible to us
                raise taken(self.target.what, self.target.repo_id, self.account.namespaces) from None
            raise
        self.created = True
        repository = self._look()
        if repository is None:
            raise HubError.of(
                "repository-not-visible-yet",
                "{name!r} was created but is not visible yet; push again in a minute",
                name=self.target.repo_id,
            )
        return repository

    def _check(self, repository: Repository) -> None:
        """Raise HubError if the push would overwrite files or publish them without the person's consent."""
        if not self.target.update and not set(repository.files) <= set(NEW):
            raise taken(self.target.what, self.target.repo_id, self.account.namespaces)
        self.private = repository.private
        if self.target.private and not repository.private:
            raise HubError.of(
                "repository-is-public",
                "{name!r} is public, but you asked for a private repository; make it private in its settings "
                "({url}/settings), choose another name, or push it as public",
                name=self.target.repo_id,
                url=self.target.url,
            )
        if repository.private and not self.target.private:
            self.report.message(
                f"{self.target.repo_id} stays private; you can change that in its settings on the Hub.",
                code="stays-private",
                repository=self.target.repo_id,
            )

    def _branch(self, repository: Repository) -> str:
        """The parent of the new commit; creates the branch if it does not exist."""
        branch = self.target.branch
        if branch in (None, "main"):
            return repository.commit
        self.api.create_branch(self.target.repo_id, repo_type=self.target.what, branch=str(branch), exist_ok=True)
        return str(self.api.repo_info(self.target.repo_id, repo_type=self.target.what, revision=branch).sha)

    def _check_card(self) -> None:
        """Let the Hub validate the card before gigabytes are sent for a card that it rejects."""
        from huggingface_hub import RepoCard

        text = next((file.source for file in self.files if file.path == CARD), None)
        if not isinstance(text, bytes):
            return
        try:
            RepoCard(text.decode()).validate(repo_type=self.target.what)
        except Exception as error:
            if isinstance(error, hub_errors()) and status_of(error):
                raise
            reason = " ".join(without_secrets(str(error)).split())[:300]
            raise HubError.of(
                "card-refused",
                "The metadata of the card is invalid ({reason}); correct it, then push again",
                reason=reason,
            ) from None

    @contextmanager
    def _opened(self) -> Iterator[dict[str, Any]]:
        """The library's operation for each file, by path; creating one reads the file once for its hash."""
        from huggingface_hub import CommitOperationAdd

        operations: dict[str, Any] = {}
        try:
            for file in self.files:
                self.report.phase(f"Reading {file.path}")
                source: BinaryIO = io.BytesIO(file.source) if isinstance(file.source, bytes) else file.source.open("rb")
                counted: Any = Counted(source, lambda: self.report.stop_requested, self._tick(file))
                operations[file.path] = CommitOperationAdd(file.path, counted)
            yield operations
        finally:
            for operation in operations.values():
                if isinstance(operation.path_or_fileobj, Counted):
                    operation.path_or_fileobj.close()

    def _send(self, operations: dict[str, Any]) -> None:
        """Send large files one by one, then the small ones together; the library skips files that the Hub has."""
        import httpx2
        from huggingface_hub import get_session

        get_session().timeout = httpx2.Timeout(ANSWER_S, connect=10.0, write=60.0)
        large = [file for file in self.files if isinstance(file.source, Path)]
        groups = [[file] for file in large] + [[file for file in self.files if isinstance(file.source, bytes)]]
        for group in groups:
            counted = [operations[file.path].path_or_fileobj for file in group]
            for file in counted:
                file.sending = True
            try:
                self.api.preupload_lfs_files(
                    self.target.repo_id,
                    [operations[file.path] for file in group],
                    repo_type=self.target.what,
                    revision=self.target.branch,
                    num_threads=1,
                    free_memory=False,
                )
            finally:
                for file in counted:
                    file.sending = False
                self.sent += sum(file.sent for file in counted)
            self.arrived += sum(file.size for file in group)
            self.large += [file.path for file in group if isinstance(file.source, Path)]

    def _tick(self, file: Outgoing) -> Callable[[int], None]:
        def count(at: int) -> None:
            done = min(self.total, self.arrived + at)
            text = f"Uploading {file.path}: {readable(done)} of {readable(self.total)}"
            self.report.fraction(text, done / max(1, self.total))

        return count

    def _stale(self, repository: Repository) -> list[str]:
        """Files of an earlier push that this one lacks: parts of older weights, removed splits."""
        if self.target.branch not in (None, "main"):
            return []
        patterns = ["data/*.parquet"] if self.target.what == "dataset" else OURS
        depth = patterns[0].count("/")
        there = [path for path in repository.files if path.count("/") == depth and path != CARD]
        there = [path for path in there if any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns)]
        return [path for path in there if path not in {file.path for file in self.files}]
