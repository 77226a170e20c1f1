"""Check that every relative link in the Markdown files leads somewhere: `python docs/links.py`."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")


def dead() -> list[str]:
    """Every relative link without a file behind it, as `page: link`."""
    pages = [
        page
        for page in ROOT.rglob("*.md")
        if not any(part.startswith(".") for part in page.parts[len(ROOT.parts) :])
    ]
    return [
        f"{page.relative_to(ROOT)}: {link}"
        for page in pages
        for link in LINK.findall(page.read_text(encoding="utf-8"))
        if not re.match(r"[a-z]+:", link) and not (page.parent / link).exists()
    ]


if __name__ == "__main__":
    found = dead()
    sys.exit("\n".join(["dead links:", *found]) if found else 0)
