"""The confidence a model keeps when it sees a picture only through its map."""

import pytest
import torch
from torch import nn

import sightline
from helpers.closeness import assert_near
from helpers.nets import batch, convnet
from sightline import Preprocess, explain
from sightline.errors import TargetError
from sightline.explanation.confidence import kept_confidence

PREPROCESS = Preprocess(mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4))


@pytest.mark.parametrize("axes", [2, 3])
def test_what_the_map_leaves_out_is_black_before_mean_and_std(axes):
    net, seen = convnet(axes), torch.rand(batch(axes).shape)
    mean, std = (torch.tensor(v).view(1, 3, *[1] * axes) for v in (PREPROCESS.mean, PREPROCESS.std))
    e = explain(net, (seen - mean) / std, [1, 3], preprocess=PREPROCESS)
    kept = kept_confidence(net, e)
    assert kept.shape == (3, 2)
    for j, k in enumerate([1, 3]):
        masked = (seen * e.maps[:, j].unsqueeze(1) - mean) / std
        assert_near(kept[:, j], net(masked).softmax(1)[:, k].detach(), 1e-4)
        alone = explain(net, (seen - mean) / std, k, preprocess=PREPROCESS)
        assert_near(kept_confidence(net, alone), kept[:, j], 1e-5)


def test_each_image_has_its_own_class():
    net, x = convnet(), batch()
    e = explain(net, x, torch.tensor([3, 0, 1]))
    want = [explain(net, x[i : i + 1], k) for i, k in enumerate([3, 0, 1])]
    assert_near(
        kept_confidence(net, e), torch.cat([kept_confidence(net, one) for one in want]), 1e-5
    )


def test_sigmoid_and_single_logits_keep_their_own_confidence():
    x = batch()
    single = convnet(classes=1)
    e = explain(single, x, [0, 1])
    kept = kept_confidence(single, e)
    masked = e.images * e.maps[:, 1].unsqueeze(1)
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (e.preprocess.mean, e.preprocess.std))
    assert_near(kept[:, 1], single((masked - mean) / std)[:, 0].sigmoid().detach(), 1e-4)
    many = convnet()
    sightline.describe(
        many, sightline.Card("mine", None, Preprocess(), None, "me", outputs="sigmoid")
    )
    e = explain(many, x, 2)
    masked = e.images * e.maps.unsqueeze(1)
    assert_near(
        kept_confidence(many, e), many((masked - mean) / std)[:, 2].sigmoid().detach(), 1e-4
    )


def test_grey_pictures():
    net = convnet()
    net[0] = nn.Conv2d(1, 6, 3, padding=1)
    seen = torch.rand(2, 1, 12, 10)
    e = explain(net.eval(), seen * 2 - 1, 1)
    masked = seen * e.maps.unsqueeze(1) * 2 - 1
    assert_near(kept_confidence(net, e), net(masked).softmax(1)[:, 1].detach(), 1e-4)


def test_a_map_of_ones_keeps_everything():
    net, seen = convnet(), torch.rand(3, 3, 12, 10)
    e = explain(net, (seen - 0.5) / 0.5, 1, preprocess=Preprocess(mean=(0.5,) * 3, std=(0.5,) * 3))
    whole = sightline.Explanation(**{**vars(e), "maps": torch.ones_like(e.maps)})
    assert_near(kept_confidence(net, whole), e.probabilities, 1e-4)


def test_half_precision_models_are_asked_in_their_own():
    net, x = convnet().bfloat16(), batch().bfloat16()
    assert kept_confidence(net, explain(net, x, 1)).dtype == torch.float32


def test_what_has_no_confidence_or_no_pixels_is_told_so():
    for e in (
        explain(convnet(), batch(), lambda out: out[:, 0]),
        explain(nn.Sequential(nn.Conv2d(5, 3, 1), *convnet()).eval(), torch.randn(2, 5, 12, 10), 1),
    ):
        with pytest.raises(TargetError, match="Explain photographs with a class as the target"):
            kept_confidence(convnet(), e)


@pytest.mark.parametrize("axes", [1, 3])
def test_what_is_no_picture_is_seen_in_its_own_unit(axes):
    """One lead, or one scan: below 0 and above 1 there is signal too; black is 0, its mean."""
    net = convnet(axes)
    net[0] = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[axes - 1](1, 6, 3, padding=1)
    x = 3 * torch.randn(2, 1, *batch(axes).shape[2:])
    e = explain(net.eval(), x, 1)
    want = net(x * e.maps.unsqueeze(1)).softmax(1)[:, 1].detach()
    assert_near(kept_confidence(net, e), want, 1e-5)
