"""Pains with tasks: the rows of docs/troubleshooting.md about detectors, segmentations and
Score-CAM.
"""

import pytest
import torch
from torch import nn

from helpers.closeness import assert_near
from helpers.nets import batch, convnet
from sightline import explain
from sightline.errors import TargetError
from sightline.targets import Box, Region


class Detector(nn.Module):
    """As torchvision's: a list of pictures in; for each its boxes, labels and scores. One box, of
    class 1.
    """

    def __init__(self, least=0.0):
        super().__init__()
        self.net, self.least = convnet(), least

    def forward(self, pictures):
        scores = self.net(torch.stack(list(pictures)))[:, 1].sigmoid()
        kept = [score > self.least for score in scores]
        box = torch.tensor([[2.0, 3.0, 8.0, 9.0]])
        return [
            {
                "boxes": box[: int(k)],
                "labels": torch.ones(int(k), dtype=torch.long),
                "scores": s.view(1)[: int(k)],
            }
            for k, s in zip(kept, scores, strict=True)
        ]


def test_boxes_of_a_detector():
    e = explain(Detector(), batch(), Box((2, 3, 8, 9), 1), "grad_cam")
    want = explain(convnet(), batch(), lambda out: out[:, 1], "grad_cam")
    for ours, theirs in zip(
        e.maps, want.maps, strict=True
    ):  # log odds of the sigmoid are the logit
        assert_near(ours, theirs, 1e-5)
    with pytest.raises(TargetError, match="detection"):
        explain(Detector(least=1.0), batch(), Box((2, 3, 8, 9), 1))


def test_regions_of_a_segmentation():
    torch.manual_seed(0)
    net = nn.Sequential(*convnet()[:6], nn.Conv2d(8, 3, 1))
    x = batch()
    e = explain(net, x, Region(2, where=(1, 2, 5, 9)), "grad_cam", "5")
    acts = net[:6](x).detach().requires_grad_()
    score = net[6](acts)[:, 2, 2:9, 1:5].mean((1, 2))
    (g,) = torch.autograd.grad(score.sum(), acts)
    assert_near(e.scores, score.detach(), 1e-5)
    assert_near(e.coarse, (g.mean((2, 3), keepdim=True) * acts).sum(1).detach(), 1e-5)
    with pytest.raises(TargetError, match="from 0 to 2; got 7"):
        explain(net, x, Region(7), layer="5")


def test_score_cam_in_bounded_memory():
    net, x, shown = convnet(), batch(b=1), []
    handle = net.register_forward_pre_hook(lambda _, args: shown.append(len(args[0])))
    e = explain(net, x, 1, "score_cam", at_once=3)
    handle.remove()
    assert max(shown) <= 3
    assert sum(shown) >= 8  # every channel was looked through
    few = explain(net, x, 1, "score_cam", top=2)
    assert not torch.allclose(few.coarse, e.coarse)
    assert_near(explain(net, x, 1, "score_cam", at_once=100).coarse, e.coarse, 1e-5)
