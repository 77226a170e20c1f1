"""Scores of the model run again: against the model called by hand, behind both kinds of head."""

import pytest
import torch
from torch import nn

from helpers.closeness import assert_near
from helpers.jobs import reruns_of
from helpers.nets import Notes, batch, convnet
from sightline.errors import LayerError, MethodError
from sightline.explanation.passes.reruns import enlarged_masks, images_at_once, masked_images

ALL = slice(None)


class Counting(nn.Module):
    """Counts the images that go through it."""

    def __init__(self, net):
        super().__init__()
        self.net, self.seen = net, Notes()

    def forward(self, x):
        self.seen.append(len(x))
        return self.net(x)


def drawn(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("head", ["pool", "fc"])
def test_shares_of_channels_multiply_the_activations(head, sign):
    """Behind a pooled linear head nothing runs, and the numbers are the same."""
    net, x, shares = convnet(head=head), batch(), drawn(4, 1, 8, 1, 1)
    reruns = reruns_of(net, x, [1, 3], "5", counterfactual=sign == -1)
    found = reruns.rescored(0, ALL, shares)
    with torch.no_grad():
        activations = net[:6](x)
        for m, share in enumerate(shares[:, 0]):
            outputs = net[6:](activations * share)
            want = sign * torch.cat([outputs[:, 1], outputs[:, 3]])
            assert_near(found[m], want, 1e-5)


def test_shares_of_positions_and_of_targets_of_their_own():
    net, x, shares = convnet(head="fc"), batch(), drawn(2, 6, 1, 12, 10)
    found = reruns_of(net, x, [1, 3], "5").rescored(0, ALL, shares)
    with torch.no_grad():
        activations = net[:6](x)
        for m in range(2):
            for j, k in enumerate([1, 3]):
                own = shares[m, 3 * j : 3 * j + 3]
                assert_near(found[m, 3 * j : 3 * j + 3], net[6:](activations * own)[:, k], 1e-5)


@pytest.mark.parametrize("at_once", [1, 4, 100])
def test_masked_scores_are_those_of_images_times_masks(at_once):
    net, x, maps = convnet(), batch(), drawn(5, 3, 4, 4)
    found = reruns_of(net, x, 2, "5").masked_scores(0, ALL, maps, at_once=at_once)
    masks = enlarged_masks(maps, (12, 10))
    with torch.no_grad():
        for m in range(5):
            assert_near(found[m], net(x * masks[m].unsqueeze(1))[:, 2], 1e-5)


def test_what_speaks_against_is_the_negative_or_the_rest_of_the_probability():
    net, x, maps = convnet(), batch(), drawn(2, 3, 4, 4)
    by = {
        (against, sure): reruns_of(net, x, 2, "5", counterfactual=against).masked_scores(
            0, ALL, maps, probability=sure
        )
        for against in (False, True)
        for sure in (False, True)
    }
    assert torch.equal(by[True, False], -by[False, False])
    assert torch.equal(by[True, True], 1 - by[False, True])


def test_targets_that_want_the_same_maps_share_their_runs():
    net, x = Counting(convnet()).eval(), batch()
    reruns = reruns_of(net, x, [0, 1], "net.5")
    net.seen.clear()
    maps = drawn(4, 3, 4, 4)
    reruns.masked_scores(0, ALL, torch.cat([maps, maps], dim=1))
    assert sum(net.seen) == 4 * 3
    net.seen.clear()
    reruns.masked_scores(0, ALL, torch.cat([maps, 1 - maps], dim=1))
    assert sum(net.seen) == 2 * 4 * 3


def test_masks_reach_from_zero_to_one_and_a_constant_map_is_zero():
    masks = enlarged_masks(torch.stack([drawn(2, 4, 4), torch.full((2, 4, 4), 7.0)]), (8, 8))
    assert masks.shape == (2, 2, 8, 8)
    low, high = masks[0].flatten(1).aminmax(dim=1)
    assert (low.tolist(), high.tolist()) == ([0, 0], [1, 1])
    assert torch.equal(masks[1], torch.zeros(2, 8, 8))


def test_a_map_that_hardly_varies_is_not_lost_in_rounding():
    ramp = torch.linspace(0, 1, 16).view(1, 1, 4, 4)
    assert_near(enlarged_masks(1000 + 1e-3 * ramp, (8, 8)), enlarged_masks(ramp, (8, 8)), 0.1)


def test_masked_images_of_a_clip_with_the_time_first():
    clips, masks = drawn(2, 8, 3, 4, 5), drawn(7, 2, 8, 4, 5, seed=1)
    found = masked_images(clips, masks)
    assert found.shape == (14, 8, 3, 4, 5)
    assert torch.equal(found[3], clips[1] * masks[1, 1].unsqueeze(1))


def test_what_makes_no_sense_is_told():
    with pytest.raises(MethodError, match="1 or more; got at_once=0"):
        images_at_once(0, 3)
    with pytest.raises(LayerError, match=r"an axis for each of the picture's 2; these have 1"):
        enlarged_masks(drawn(2, 3, 4), (4, 4))
    with pytest.raises(MethodError, match=r"see through masks of \(7, 7\); this input is"):
        masked_images(drawn(2, 3, 4, 5), drawn(1, 2, 7, 7))
