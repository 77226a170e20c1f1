"""What can be asked about: every form of target, on logits however they come."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn

import sightline
from helpers.closeness import assert_near
from helpers.nets import batch, convnet, short
from sightline import explain
from sightline.errors import TargetError
from sightline.targets import Target

NAMES = ["tabby, tabby cat", "tiger cat", "lens cap", "crane", "cup"]


@pytest.mark.parametrize(
    ("target", "indices"),
    [
        (None, None),
        (3, [[3], [3], [3]]),
        ("tiger cat", [[1], [1], [1]]),
        ("cap", [[2], [2], [2]]),
        ([0, "crane"], [[0, 3], [0, 3], [0, 3]]),
        ([[0, 1], ["crane", "cup"], [2, 2]], [[0, 1], [3, 4], [2, 2]]),
        (torch.tensor([2, 0, 4]), [[2], [0], [4]]),
        (torch.tensor([[2, 1], [0, 1], [4, 1]]), [[2, 1], [0, 1], [4, 1]]),
        (np.array([2, 0, 4]), [[2], [0], [4]]),
        ("top5", None),
    ],
    ids=short,
)
def test_every_form_of_target_is_explained(target, indices):
    net, x = convnet(head="fc"), batch()
    e = explain(net, x, target, classes=NAMES)
    with torch.no_grad():
        ranked = net(x).argsort(1, descending=True)
    indices = indices or (ranked[:, :1] if target is None else ranked).tolist()
    assert e.several is (target is not None and len(np.shape(e.targets)) == 2)
    rows = e.targets if e.several else [[one] for one in e.targets]
    assert rows == [[Target(k, NAMES[k]) for k in row] for row in indices]
    columns = e.coarse if e.several else e.coarse.unsqueeze(1)
    for i, row in enumerate(indices):
        for j, k in enumerate(row):
            assert_near(columns[i, j], explain(net, x[i : i + 1], k).coarse[0], 1e-5)


def test_a_function_of_the_outputs_is_a_target():
    net, x = convnet(head="fc"), batch()
    e = explain(net, x, lambda out: 2 * out[:, 3])
    assert_near(e.coarse, explain(net, x, lambda out: out[:, 3] * 2).coarse, 1e-6)
    assert torch.equal(e.scores, 2 * net(x)[:, 3].detach())
    assert (e.probabilities, e.top) == (None, [])
    assert e.targets == [Target(None, "<lambda>")] * 3
    several = explain(
        net, x, [lambda out: out[:, 3], lambda out: out[:, 3] - out[:, 0]], "grad_cam"
    )
    assert several.maps.shape == (3, 2, 12, 10)
    difference = explain(net, x, 3, "grad_cam").coarse - explain(net, x, 0, "grad_cam").coarse
    assert_near(several.coarse[:, 1], difference, 1e-5)


@dataclass
class Answer:
    loss: torch.Tensor | None
    logits: torch.Tensor


class Wraps(nn.Module):
    """The same network with its logits in something."""

    def __init__(self, wrap):
        super().__init__()
        self.net, self.wrap = convnet(head="fc"), wrap

    def forward(self, x):
        return self.wrap(self.net(x))


@pytest.mark.parametrize(
    "wrap",
    [
        lambda y: {"loss": y.sum(), "logits": y},
        lambda y: (y, None),
        lambda y: [y],
        lambda y: Answer(None, y),
    ],
)
@pytest.mark.parametrize("method", ["grad_cam_pp_softmax", "guided_grad_cam"])
def test_logits_in_dicts_tuples_and_dataclasses(wrap, method):
    x = batch()
    e, plain = (
        explain(Wraps(wrap).eval(), x, [1, 2], method),
        explain(convnet(head="fc"), x, [1, 2], method),
    )
    assert (e.layer, plain.layer) == ("net.5", "5")
    assert_near(e.maps, plain.maps, 1e-6)


@pytest.mark.parametrize("squeeze", [True, False])
def test_a_single_logit_explains_for_and_against(squeeze):
    net, x = convnet(head="fc", classes=1), batch()
    net.append(nn.Flatten(0)) if squeeze else None
    e = explain(net, x, [1, 0], "grad_cam")
    assert_near(e.coarse[:, 0], -e.coarse[:, 1], 1e-6)
    assert [target.name for target in e.targets[0]] == ["negative", "positive"][::-1]
    logit = net(x).detach().flatten()
    torch.testing.assert_close(
        e.probabilities, torch.stack([logit.sigmoid(), (-logit).sigmoid()], 1)
    )
    against = explain(net, x, 1, "grad_cam", counterfactual=True)
    assert_near(against.coarse, e.coarse[:, 1], 1e-6)


def test_a_sigmoid_card_gives_each_class_its_own_confidence():
    net, x = convnet(), batch()
    sightline.describe(
        net, sightline.Card("mine", None, sightline.Preprocess(), None, "me", outputs="sigmoid")
    )
    e = explain(net, x, [0, 1])
    torch.testing.assert_close(e.probabilities, net(x)[:, :2].sigmoid().detach())


def test_a_range_asks_for_its_classes():
    e = explain(convnet(), batch(), range(1, 4))
    assert [target.index for target in e.targets[0]] == [1, 2, 3]


class Rows(nn.Module):
    """Two rows of logits for each image, as a network for frames gives."""

    def __init__(self):
        super().__init__()
        self.net = convnet()

    def forward(self, x):
        return self.net(x).repeat_interleave(2, 0)


def test_outputs_with_more_rows_than_images_need_a_function():
    with pytest.raises(TargetError, match="each of the 3 images; the model returned 6"):
        explain(Rows().eval(), batch(), 1)
    e = explain(Rows().eval(), batch(), lambda out: out[::2, 1])
    assert_near(e.maps, explain(convnet(), batch(), 1).maps, 1e-6)
