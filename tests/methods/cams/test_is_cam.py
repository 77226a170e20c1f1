"""IS-CAM by hand: how strong its masks are, and the mean over them.

On networks, with its relatives: `test_score_cam.py`.
"""

import pytest
import torch

from sightline.errors import MethodError
from sightline.methods import is_cam

MAPS = torch.tensor([[[0.0, 1.0], [0.0, 2.0]]])


def look(maps, change, **_):
    return change(maps).sum(2).log1p()


@pytest.mark.parametrize(("steps", "shares"), [(1, (2, 3)), (2, (3**0.5, 6**0.5))])
def test_the_mean_over_the_way_by_hand(steps, shares):
    """The scores are log(1 + sum). In one step log 2 and log 3; in two (log 3/2 + log 2) / 2 is
    the log of the root of 3, and (log 2 + log 3) / 2 that of 6.
    """
    want = [one / sum(shares) for one in shares]
    assert is_cam(MAPS, look, steps=steps).flatten().tolist() == pytest.approx(want)


def test_masks_grow_evenly_and_never_beyond_themselves():
    """Some libraries add the shares up: the last would be 2.5 here."""
    strengths = []

    def watch(maps, change, **_):
        strengths.append(change(torch.ones(1)).item())
        return maps.sum(2)

    is_cam(MAPS, watch, steps=4)
    assert strengths == [0.25, 0.5, 0.75, 1]


@pytest.mark.parametrize("steps", [0, -1])
def test_steps_that_make_no_sense(steps):
    with pytest.raises(
        MethodError, match=rf"of steps, 1 or more; got steps={steps}\. The usual is 10"
    ):
        is_cam(MAPS, look, steps=steps)
