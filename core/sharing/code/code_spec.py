"""What the export of a run's code is made from."""

from __future__ import annotations

from core.spec.section import Section, setting


class CodeSpec(Section):
    """A run's script and notebook as a zip, with what they need to be run."""

    run: str = setting(..., "Run", min_length=1, max_length=40)
    """The id of the training run."""

    attempt: int = setting(0, "Attempt", ge=0, le=1_000_000)
    """Which attempt of it left the model: one that is resumed leaves another one."""

    with_texts: bool = setting(False, "With its examples", "Not everybody's data may be passed on.")
    """Put the texts and labels that the run was trained and judged on into the zip."""
