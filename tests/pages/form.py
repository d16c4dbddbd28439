"""The form of the New run page, as the tests fill it."""

from collections.abc import Callable

from streamlit.testing.v1 import AppTest

from core.settings import from_environment
from core.spec.run import RunSpec, build
from core.store.store import Store

Open = Callable[..., AppTest]
PAGE = "train/new_run"


def store() -> Store:
    return Store(from_environment().store_path)


def field(page: AppTest, path: str) -> object:
    """The widget of a field, whatever its generation."""
    held = page.session_state["form"]
    return page.get_by_key(held.key(path))


def write(page: AppTest, path: str, value: object) -> None:
    """As a person types something that is not in the list: the test's select box knows the listed values only."""
    held = page.session_state["form"]
    held.values[path] = value
    held.generation += 1
    page.run()
    assert not page.exception


def put(page: AppTest, path: str, value: object) -> None:
    field(page, path).set_value(value).run()  # type: ignore[attr-defined]
    assert not page.exception


def start(page: AppTest) -> RunSpec:
    page.button(key="start").click().run()
    assert not page.exception
    spec: RunSpec = build(store().runs()[0].spec)
    return spec
