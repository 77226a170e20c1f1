"""Where the real data lies for tests that need it: beside the project, never in it."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2].parent / "shared" / "data"


def shared(*parts: str) -> Path:
    """A file or folder of the shared development data; the test is skipped where it is absent."""
    path = ROOT.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"real data absent: ../shared/data/{'/'.join(parts)} (see tests/SKIPS.md)")
    return path
