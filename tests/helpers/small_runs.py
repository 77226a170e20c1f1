"""Runs of `evaluate` in the tests: a small model's card, a quick protocol, and rows compared to the
last bit.
"""

from sightline import Preprocess, evaluate
from sightline.protocol import Protocol

PREPROCESS = Preprocess(resize=16, crop=(16, 16), mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4))
CLASSES = ("cat", "dog", "emu")
QUICK = Protocol(steps=3, thetas=3, patch=8, stride=8, samples=1, road_percentages=(50,))


def run(model, data, *args, **options):
    options.setdefault("progress", False)
    options.setdefault("protocol", QUICK)
    return evaluate(model, data, *args, **options)


def same(one, other):
    """Bit for bit, whatever folder they lie in."""
    drop = [name for name in ("source",) if name in one.rows.column_names]
    assert one.rows.drop_columns(drop).equals(other.rows.drop_columns(drop))
    assert len(one.rows) == len(other.rows)
