"""The program in small; the lead over delta and its growth, by hand."""

import localisation
import numpy as np
import pytest

from helpers.data import shared

pytestmark = pytest.mark.filterwarnings("ignore:.*encountered in divide:RuntimeWarning")


class Rows:
    """Two images with a box, one without; the first method leads by 0.1, then by 0.1 + delta."""

    def column(self, name, method):
        assert name == "loc"
        base = np.full(len(localisation.DELTAS), 0.2)
        ahead = 0.1 + np.array(localisation.DELTAS) if method == "grad_cam_pp" else 0
        return [(base + ahead).tolist(), (base + ahead).tolist(), None]


def test_the_lead_and_its_growth_by_hand():
    found = localisation.lead(Rows(), "grad_cam_pp", "grad_cam")
    assert [one[0] for one in found] == list(localisation.DELTAS)
    assert [one[1] for one in found] == pytest.approx(
        [0.1 + delta for delta in localisation.DELTAS]
    )
    assert localisation.growth(Rows(), "grad_cam_pp", "grad_cam") == pytest.approx((0.5, 0.5, 0.5))


def test_the_page_says_what_the_rows_hold(tmp_path):
    shared("imagenet-weights"), shared("tinyimagenet50")
    found = localisation.run(
        shared("kangaroo-voc").parent, tmp_path, 4, ("Tiny ImageNet", "kangaroos")
    )
    lines = localisation.page(found, whole=False)
    place = localisation.DELTAS.index(0.25)
    cells = [line.split(" | ") for line in lines if line.startswith("| Grad-CAM++ |")]
    for rows, (locs, rest) in zip(found.values(), (cells[:2], cells[2:4]), strict=True):
        expected = np.mean([one[place] for one in rows.column("loc", "grad_cam_pp")])
        assert float(locs[2].split(" ")[0]) == pytest.approx(expected, abs=5e-4)
        error = 100 * np.mean([one[2] for one in rows.column("localisation_error", "grad_cam_pp")])
        assert float(rest[4].split(" ")[0]) == pytest.approx(error, abs=0.05)
    assert {one for rows in found.values() for one in rows.column("error")} == {None}
