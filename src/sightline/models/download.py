"""Pretrained weights from the net, and what to say when the net is not there."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pickle import UnpicklingError
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from sightline.errors import ModelError

logger = logging.getLogger(__name__)

PATIENCE = 10.0
"""Seconds to wait for a server's first word."""


def reach(url: str, name: str) -> None:
    """Return if the server answers, whatever it answers.

    Else raise the `ModelError` of `downloading`.

    The libraries' own downloads try again for a minute before they give up, or wait for ever.
    """
    with downloading(name):
        try:
            urlopen(Request(url, method="HEAD"), timeout=PATIENCE).close()
        except HTTPError as error:  # an answer is an answer
            logger.debug("%s answers %s", url, error)
        except URLError as error:
            if not isinstance(error.reason, ssl.SSLError):
                raise
            # the library may have certificates that Python has not
            logger.debug("%s: %s; on with the library's own download", url, error)


@contextmanager
def downloading(name: str) -> Iterator[None]:
    """Turn whatever a failed download raises into a `ModelError` with the ways out."""
    try:
        yield
    except (OSError, HTTPException, RuntimeError, EOFError, UnpicklingError) as error:
        reason = (
            getattr(error, "reason", None) or error.__cause__ or str(error) or type(error).__name__
        )
        raise ModelError(
            f"the pretrained weights of '{name}' could not be fetched:"
            f" {str(reason).splitlines()[0][:200]}. Check the connection, or give a local file"
            " (weights='FILE', --weights FILE), or take random weights (pretrained=False)."
        ) from error
