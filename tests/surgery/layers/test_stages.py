"""Which feature maps are stages: no pools, no insides of a block, none of the head's class maps."""

import pytest
import torch
from torch import nn

from helpers.nets import batch
from sightline.surgery import Candidate, Grid, choose
from sightline.surgery.layers.stages import stages


def seq(*parts):
    torch.manual_seed(0)
    return nn.Sequential(*parts).eval()


def test_pools_and_dropouts_pass_on_and_are_not_chosen():
    net = seq(
        nn.Conv2d(3, 4, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Dropout2d(),
        nn.Flatten(),
        nn.Linear(80, 2),
    )
    assert choose(net, batch()).name == "1"


@pytest.mark.parametrize("relu", [True, False])
def test_maps_of_classes_are_the_head_and_not_explained(relu):
    """SqueezeNet: a 1 x 1 convolution to one map a class, a ReLU perhaps, and their mean."""
    tail = [nn.ReLU()] if relu else []
    net = seq(
        nn.Conv2d(3, 6, 3),
        nn.ReLU(),
        nn.Conv2d(6, 5, 1),
        *tail,
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    )
    assert choose(net, batch()).name == "1"


def test_a_network_as_wide_as_it_has_classes_keeps_its_last_features():
    net = seq(
        nn.Conv2d(3, 5, 3),
        nn.ReLU(),
        nn.Conv2d(5, 5, 3),
        nn.ReLU(),
        nn.Conv2d(5, 5, 1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    )
    assert choose(net, batch()).name == "3"


def test_features_as_many_as_classes_before_a_linear_head_stay():
    net = seq(nn.Conv2d(3, 5, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 5))
    assert choose(net, batch()).name == "1"


def row(name, shape, kind="Conv2d", *, tokens=False, mean=None, **marks):
    size = (6, 5) if tokens else shape[2:]
    grid = Grid("tokens" if tokens else "channels first", size)
    return Candidate([name], kind, shape, grid, (2.0, 2.0), mean=mean, **marks)


def names(rows, outputs, logits):
    return [row.name for row in stages(rows, outputs, logits)]


LOGITS = torch.tensor([[1.0, -2.0, 3.0]])


def test_a_grid_of_one_position_or_an_uncertain_one_is_left_out_if_there_are_others():
    one, good = row("one", (1, 8, 1, 1)), row("good", (1, 8, 6, 5))
    doubtful = row("doubtful", (1, 8, 6, 5))
    doubtful.grid = Grid("channels first", (6, 5), certain=False)
    assert names([doubtful, good, one], LOGITS, LOGITS) == ["good"]
    assert names([one], LOGITS, LOGITS) == ["one"]


def test_insides_of_a_block_are_left_out_if_there_are_others():
    rows = [row("stage", (1, 8, 6, 5)), row("fc", (1, 8, 6, 5), inside=True)]
    assert names(rows, LOGITS, LOGITS) == ["stage"]
    assert names(rows[1:], LOGITS, LOGITS) == ["fc"]


def test_levels_of_a_pyramid_are_left_out_of_detections_only():
    rows = [row("body", (1, 8, 6, 5)), row("fpn", (1, 8, 6, 5), level=True)]
    assert names(rows, [{"boxes": torch.zeros(0, 4)}], LOGITS) == ["body"]
    assert names(rows, LOGITS, LOGITS) == ["body", "fpn"]


def test_features_are_no_class_maps_though_their_mean_is_what_the_model_says():
    rows = [row("early", (1, 8, 6, 5)), row("last", (1, 3, 6, 5), mean=LOGITS)]
    assert names(rows, LOGITS, LOGITS) == ["early"]
    assert names(rows, {"last_hidden_state": LOGITS}, LOGITS) == ["early", "last"]


def test_maps_in_the_shape_of_the_outputs_are_the_head_of_a_segmenter():
    scores = torch.rand(1, 3, 6, 5)
    rows = [
        row("body", (1, 8, 6, 5), mean=torch.zeros(1, 8)),
        row("aux", (1, 3, 6, 5), mean=torch.zeros(1, 3)),
        row("head", (1, 3, 6, 5), mean=scores.mean((2, 3))),
    ]
    assert names(rows, scores, scores) == ["body"]
    enlarged = nn.functional.interpolate(scores, scale_factor=2, mode="bilinear")
    assert names(rows, enlarged, enlarged) == ["body"]


def test_of_tokens_those_as_wide_as_most_stay():
    wide = [row(f"block{k}", (1, 30, 16), "Block", tokens=True) for k in range(2)]
    narrow = row("projection", (1, 30, 8), "Linear", tokens=True)
    assert names([*wide, narrow], LOGITS, LOGITS) == ["block0", "block1"]
