"""docs/troubleshooting.md names a test for each of its rows."""

import re
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "troubleshooting.md"


def test_every_row_has_its_test():
    rows = re.findall(r"^\| .* \| `(test_\w+)` \|$", PAGE.read_text(encoding="utf-8"), re.M)
    written = "\n".join(path.read_text(encoding="utf-8") for path in HERE.glob("test_*.py"))
    assert len(rows) == len(set(rows)) == 30
    assert [name for name in rows if f"def {name}(" not in written] == []
