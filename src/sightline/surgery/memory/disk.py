"""What was found out in another process: one small file for a model and a question, by its digest.

The folder is `sightline/` in the user's folder for caches; the environment's `SIGHTLINE_CACHE`
names another one, and empty or `off` there is none. Nothing that goes wrong here is an error: what
cannot be kept is found out once more. It may be deleted at any time.
"""

import json
import logging
import os
import sys
from pathlib import Path
from typing import Any

from sightline.atomic_write import write_atomically

logger = logging.getLogger(__name__)

VARIABLE = "SIGHTLINE_CACHE"
MOST_FILES = 10_000
_MOST_RECORDS = 16
_SLACK = 0.1
"""Of the files so large a part goes at once where they are too many: the oldest."""

Record = dict[str, Any]


def folder() -> Path | None:
    """Where outcomes are kept; None where none shall be.

    >>> import pytest
    >>> with pytest.MonkeyPatch.context() as patch:
    ...     patch.setenv("SIGHTLINE_CACHE", "off")
    ...     folder()
    """
    named = os.environ.get(VARIABLE)
    if named is not None:
        return None if named.strip().lower() in ("", "off", "0") else Path(named) / "places"
    try:
        return _caches() / "sightline" / "places"
    except RuntimeError:  # no home
        return None


def _caches() -> Path:
    stated = os.environ.get("XDG_CACHE_HOME")
    if stated:
        return Path(stated)
    if sys.platform == "win32" and (local := os.environ.get("LOCALAPPDATA")):
        return Path(local)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path.home() / ".cache"


def load(digest: str) -> list[Record]:
    """What is known under a digest, the newest last; nothing where there is nothing to be read."""
    if (place := folder()) is None:
        return []
    file = place / f"{digest}.json"
    try:
        records = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        logger.debug("%s is not read: %s", file, error)
        return []
    if not isinstance(records, list):
        logger.debug("%s is not read: it holds no list", file)
        return []
    return [one for one in records if isinstance(one, dict)]


def store(digest: str, record: Record) -> None:
    """Add what was found under a digest; in the place of what it says once more.

    Of two processes that write at once the later one may take away what the earlier added: that is
    found out again.
    """
    if (place := folder()) is None:
        return
    try:
        new = not place.is_dir()
        place.mkdir(parents=True, exist_ok=True)
        known = [one for one in load(digest) if one.get("picture") != record["picture"]]
        content = json.dumps([*known, record][-_MOST_RECORDS:])
        write_atomically(place / f"{digest}.json", content)
        if not new:
            _keep_few(place)
    except (OSError, ValueError, TypeError) as error:
        logger.debug("nothing is kept in %s: %s", place, error)


def _keep_few(place: Path) -> None:
    """The oldest files go where there are too many."""
    files = list(place.iterdir())
    if len(files) <= MOST_FILES:
        return
    ages = []
    for file in files:
        try:
            ages.append((file.stat().st_mtime, file))
        except OSError:  # another process was quicker
            continue
    for _, file in sorted(ages)[: len(files) - int(MOST_FILES * (1 - _SLACK))]:
        file.unlink(missing_ok=True)
