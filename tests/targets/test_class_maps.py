"""Which tensor of the outputs is a segmentation's, and how one channel is read."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from sightline.errors import TargetError
from sightline.targets.class_maps import (
    are_probabilities,
    class_maps,
    dense,
    enlarged,
    is_segmentation,
    maps_beside,
)


def made(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


MAPS, ROWS = made(2, 3, 8, 8), made(2, 4)


@pytest.mark.parametrize(
    "outputs",
    [
        MAPS,
        (MAPS, ROWS),
        {"out": MAPS, "aux": -MAPS},
        {"masks": MAPS, "label": ROWS},
        {"logits": ROWS, "masks": MAPS},
        SimpleNamespace(loss=torch.tensor(0.0), logits=MAPS),
    ],
    ids=["tensor", "tuple", "torchvision", "names", "logits of a classifier", "transformers"],
)
def test_the_maps_are_found(outputs):
    assert dense(outputs) is MAPS


@pytest.mark.parametrize(
    ("outputs", "size", "classes", "yes"),
    [
        (MAPS, (8, 8), None, True),
        (MAPS, (64, 64), None, True),
        (MAPS, (65, 64), None, False),  # too coarse to be more than features
        (MAPS, (224, 224), ["a", "b", "c"], True),  # names settle it
        (MAPS[:, :1], (8, 8), None, True),
        (made(1, 128, 8, 8), (8, 8), None, False),
        (made(1, 150, 8, 8), (8, 8), None, True),
        (MAPS.clone().requires_grad_().relu(), (8, 8), None, False),
        (3 * MAPS.abs(), (8, 8), None, True),  # nobody says that they are no scores
        (3 * MAPS[:, :1].abs(), (8, 8), None, False),  # depths, rather
        (3 * MAPS[:, :1].abs(), (8, 8), ["healthy", "ill"], True),
        (MAPS.softmax(1), (8, 8), None, True),
        (made(2, 3, 1, 1), (8, 8), None, False),
        ((MAPS, ROWS), (8, 8), None, False),
        ({"logits": ROWS, "masks": MAPS}, (8, 8), None, False),
        ({"out": made(1, 128, 8, 8)}, (224, 224), None, True),
        (SimpleNamespace(last_hidden_state=MAPS), (8, 8), None, False),
        ({"class_queries_logits": made(1, 2, 3), "masks_queries_logits": made(1, 2, 4, 4)},
         (8, 8), None, True),
        (ROWS, None, None, False),
        ("words", None, None, False),
    ],
)  # fmt: skip
def test_what_is_plainly_a_segmentation(outputs, size, classes, yes):
    assert is_segmentation(outputs, size, classes) is yes


def test_one_channel_is_two_classes():
    one = made(2, 1, 3, 4)
    assert torch.equal(class_maps(one), torch.cat([-one, one], 1))
    assert torch.equal(class_maps({"out": one}), class_maps(one))
    assert class_maps(MAPS) is MAPS


def test_one_channel_of_probabilities_is_their_logit():
    one = made(2, 1, 3, 4)
    assert torch.allclose(class_maps(one.sigmoid()), class_maps(one), atol=1e-12)
    certain = class_maps(torch.tensor([[[[0.0, 1.0]]]]))
    assert certain.isfinite().all()
    assert (certain[0, 1, 0] > torch.tensor([-100.0, 10.0])).tolist() == [True, True]


def test_the_graph_tells_whose_numbers_lie_between_0_and_1():
    conv = nn.Conv2d(1, 1, 1)
    with torch.no_grad():
        conv.weight.zero_(), conv.bias.fill_(0.3)
    said = conv(torch.zeros(1, 1, 4, 4))
    assert not are_probabilities(said)
    assert not are_probabilities(F.interpolate(said, (8, 8), mode="bilinear"))
    assert are_probabilities(F.interpolate(said.sigmoid(), (8, 8), mode="bilinear"))
    assert are_probabilities((said.sigmoid() + said.sigmoid()) / 2)
    assert are_probabilities(said.detach())  # nobody says whose they are
    assert not are_probabilities(torch.tensor([[[[-0.1, 0.5]]]]))
    assert not are_probabilities(torch.tensor([[[[0.1, torch.nan]]]]))


def test_maps_beside_a_classifier_s_rows():
    assert maps_beside((MAPS, ROWS), (8, 8)) == [2, 3, 8, 8]
    assert maps_beside({"logits": ROWS, "masks": MAPS}) == [2, 3, 8, 8]
    assert maps_beside((made(2, 512, 7, 7), ROWS), (224, 224)) is None
    assert maps_beside(ROWS) is maps_beside((ROWS,)) is None


def test_enlarged_as_torch_does():
    assert enlarged(MAPS, None) is enlarged(MAPS, (8, 8)) is MAPS
    assert torch.equal(
        enlarged(MAPS, (16, 12)),
        F.interpolate(MAPS, (16, 12), mode="bilinear", align_corners=False),
    )


def test_what_holds_no_maps_is_told():
    with pytest.raises(TargetError, match=r"the model returned \[\(2, 4\)\]"):
        dense(ROWS)
