"""SS-CAM by hand: one field of noise a sample for all, the mean before the softmax, and the seed.

On networks, with its relatives: `test_score_cam.py`.
"""

import pytest
import torch

from helpers.closeness import assert_near
from helpers.nets import batch, convnet
from reference.ss_cam import field
from sightline import explain
from sightline.errors import MethodError
from sightline.methods import ss_cam

MAPS = torch.tensor([[[0.0, 1.0], [4.0, 0.0]]], dtype=torch.float64)


def test_a_sample_has_one_field_of_noise_for_every_channel_and_image():
    changed = []

    def watch(maps, change, **_):
        changed.append(change(torch.zeros(3, 2, 5, dtype=torch.float64)))
        return maps.sum(2)

    ss_cam(MAPS, watch, samples=2, std=0.5, seed=7)
    for number, got in enumerate(changed):
        assert torch.equal(got, (0.5 * field(number, [5], seed=7)).expand(3, 2, -1))
    assert not torch.equal(*changed)


def test_the_scores_are_averaged_before_the_softmax_by_hand():
    """The score is the sum: noise adds the same to both channels and cancels, 1 against 4."""
    got = ss_cam(MAPS, lambda maps, change, **_: change(maps).sum(2), samples=4, std=3)
    assert_near(got.flatten(), torch.tensor([1.0, 4.0], dtype=torch.float64).softmax(0), 1e-12)


def test_noise_is_the_seed_s_and_touches_no_generator_and_no_other_image():
    net, x = convnet(head="fc").double(), batch().double()
    torch.manual_seed(3)
    before = torch.get_rng_state()
    one = explain(net, x, 1, "ss_cam", samples=2)
    assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(one.coarse, explain(net, x, 1, "ss_cam", samples=2).coarse)
    assert not torch.allclose(
        one.coarse, explain(net, x, 1, "ss_cam", samples=2, seed=1).coarse, rtol=1e-3
    )
    assert_near(explain(net, x[1:2], 1, "ss_cam", samples=2).coarse, one.coarse[1:2], 1e-9)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"samples": 0}, r"samples, 1 or more; got samples=0\. The usual is 10"),
        ({"std": -0.1}, r"deviation that is not negative; got std=-0\.1\. The paper's is 2"),
        ({"std": float("nan")}, "got std=nan"),
    ],
)
def test_options_that_make_no_sense(options, message):
    with pytest.raises(MethodError, match=message):
        ss_cam(MAPS, lambda maps, change, **_: change(maps).sum(2), **options)
