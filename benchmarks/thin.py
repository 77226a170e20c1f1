"""Thin products against a large right factor: the general product, and strips of it
(surgery/backward/sparse_products.py).

    python benchmarks/thin.py

VGG-16's first fully connected layer, looked back through for 1, 8 and 10 questions, with all its
units active and with half and a tenth of them.
"""

import torch
from common import in_turns, ratio

from sightline.surgery.backward.sparse_products import thin


def main() -> None:
    right = torch.randn(4096, 25088)
    print("| questions | active units | general product | strips, as a ratio |\n|---|---|---|---|")
    for rows in (1, 8, 10):
        for active in (1.0, 0.5, 0.1):
            left = torch.randn(rows, 4096) * (torch.rand(4096) < active)
            with torch.no_grad():
                seconds = in_turns(
                    {"general": lambda a=left: a @ right, "strips": lambda a=left: thin(a, right)},
                    rounds=9,
                )
            middle, low, high = ratio(seconds, "strips", "general")
            general = 1e3 * min(seconds["general"])
            print(
                f"| {rows} | {active:.0%} | {general:.0f} ms | {middle:.2f} [{low:.2f},"
                f" {high:.2f}] |",
                flush=True,
            )


if __name__ == "__main__":
    main()
