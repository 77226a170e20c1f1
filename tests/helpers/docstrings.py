"""What docstrings say, for tests."""

import inspect
from collections.abc import Callable
from typing import Any


def first_paragraph(function: Callable[..., Any]) -> str:
    """The summary, on one line."""
    text = inspect.getdoc(function) or ""
    return " ".join(text.partition("\n\n")[0].split())
