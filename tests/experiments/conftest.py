"""The experiments are programs beside the library: their folder is where their tests import them from."""

import sys
from pathlib import Path

PROGRAMS = str(Path(__file__).resolve().parents[2] / "experiments")
if PROGRAMS not in sys.path:
    sys.path.append(PROGRAMS)
