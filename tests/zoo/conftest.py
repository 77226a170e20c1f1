"""The sweeps over whole libraries are not part of `make test`: `make zoo` runs them."""

import os

collect_ignore_glob = [] if os.environ.get("SIGHTLINE_ZOO") else ["test_*.py"]
