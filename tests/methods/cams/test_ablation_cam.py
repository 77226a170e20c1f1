"""Ablation-CAM: by replay of the tail, and by the head where that is all there is."""

import pytest
import torch
from torch import nn

from helpers.closeness import assert_near
from helpers.nets import batch, convnet
from reference.combine import combine
from sightline import explain
from sightline.methods import ablation_cam, cam
from sightline.surgery import replay, replay_from_layer


def slow_map(net, x, layer, activations, ask):
    """All images, all by whole replays, one channel after another."""
    whole = ask(net(x)).detach()
    losses = []
    for k in range(activations.shape[1]):
        without = activations.clone()
        without[:, k] = 0
        losses.append(whole - ask(replay(net, x, layer, without)))
    weights = torch.stack(losses, 1)
    return combine(weights.reshape(*weights.shape, *[1] * (activations.ndim - 2)), activations)


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("head", ["pool", "fc"])
@pytest.mark.parametrize("layer", ["2", "5"])
def test_the_whole_way_is_that_of_naive_loops(axes, head, layer):
    net, x = convnet(axes, head=head).double(), batch(axes).double()
    e = explain(net, x, [1, 4], "ablation_cam", layer)
    own = net[: int(layer) + 1](x).detach()
    for j, klass in enumerate((1, 4)):
        assert_near(
            e.coarse[:, j], slow_map(net, x, layer, own, lambda out, k=klass: out[:, k]), 1e-9
        )


@pytest.mark.parametrize("head", ["pool", "fc"])
def test_float32_is_within_1e_5_of_the_float64_loops(head):
    net, x = convnet(head=head), batch()
    e = explain(net, x, 1, "ablation_cam")
    net, x = net.double(), x.double()
    assert_near(e.coarse, slow_map(net, x, "5", net[:6](x).detach(), lambda out: out[:, 1]), 1e-5)


@pytest.mark.parametrize("head", ["pool", "fc"])
def test_a_constant_on_all_logits_changes_nothing_also_where_it_makes_them_negative(head):
    """Divided by the score, as printed, the map would turn round: every sign of it."""
    net, x = convnet(head=head).double(), batch().double()
    before = explain(net, x, 1, "ablation_cam")
    with torch.no_grad():
        net[-1].bias -= 100
    after = explain(net, x, 1, "ablation_cam")
    assert (after.scores < 0).all()
    assert_near(after.coarse, before.coarse, 1e-9)
    as_printed = before.coarse / after.scores.reshape(-1, 1, 1)
    assert (torch.sign(as_printed) == -torch.sign(after.coarse)).all()


def test_behind_a_pooled_linear_head_it_is_cam_times_the_mean():
    net, x = convnet().double(), batch().double()
    e = explain(net, x, 1, "ablation_cam")
    own = net[:6](x).detach()
    head = net[-1].weight.detach()[1].expand(3, -1)
    assert_near(e.coarse, combine(cam(own, head) * own.mean((2, 3), keepdim=True), own), 1e-12)


def test_against_the_class_it_is_the_negative():
    for head in ("pool", "fc"):
        net, x = convnet(head=head).double(), batch().double()
        against = explain(net, x, [1, 2], "ablation_cam", counterfactual=True)
        assert_near(against.coarse, -explain(net, x, [1, 2], "ablation_cam").coarse, 1e-12)


def test_a_silent_channel_is_not_replayed_and_a_constant_one_is():
    asked = []

    def rescore(shares):
        asked.append(shares.shape)
        return (activations * shares).sum((2, 3))

    activations = torch.tensor(
        [[[1.0, 2.0], [0.0, 0.0], [3.0, 3.0]], [[0.0, 1.0], [0.0, 0.0], [0.0, 0.0]]]
    )
    assert ablation_cam(activations, rescore).flatten(1).tolist() == [[3, 0, 6], [1, 0, 0]]
    assert asked == [(3, 1, 3, 1)]


@pytest.mark.parametrize("klass", [0, 1])
def test_a_single_logit(klass):
    for head in ("pool", "fc"):
        net, x = convnet(head=head, classes=1).double(), batch().double()
        e = explain(net, x, klass, "ablation_cam")
        own = net[:6](x).detach()
        assert_near(
            e.coarse, slow_map(net, x, "5", own, lambda out: (2 * klass - 1) * out[:, 0]), 1e-9
        )


def test_a_function_of_the_outputs_sees_the_images_in_their_order():
    net, x = convnet(head="fc").double(), batch().double()
    classes = torch.tensor([1, 4, 2])
    by_function = explain(net, x, lambda out: out[torch.arange(3), classes], "ablation_cam", "5")
    assert_near(by_function.coarse, explain(net, x, classes, "ablation_cam", "5").coarse, 1e-12)


class Segments(nn.Module):
    """Outputs for each pixel, in a mapping."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.stem, self.head = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(6, 4, 3, padding=1)

    def forward(self, x):
        return {"out": self.head(self.stem(x).relu()), "scale": torch.ones(())}


def test_outputs_of_other_forms():
    net, x = Segments().double().eval(), batch(b=2).double()
    where = torch.zeros(2, 12, 10).double()
    where[0, 2:4], where[1, 5:] = 1, 1
    ask = lambda out: (out["out"][:, 1] * where * out["scale"]).flatten(1).sum(1)  # noqa: E731
    e = explain(net, x, ask, "ablation_cam", "stem")
    assert_near(e.coarse, slow_map(net, x, "stem", net.stem(x).detach(), ask), 1e-9)


class Moody(nn.Module):
    """Cannot be gone round: what it keeps fits one number of images only."""

    def __init__(self):
        super().__init__()
        self.net = convnet(head="fc")

    def forward(self, x):
        return self.net(x).view(3, 5)


def test_a_model_that_has_to_run_as_a_whole_gives_the_same():
    net, x = Moody().double().eval(), batch().double()
    with replay_from_layer(net, x, "net.5") as again:
        assert again.full_replay
    e = explain(net, x, 1, "ablation_cam", "net.5")
    assert_near(e.coarse, explain(net.net, x, 1, "ablation_cam", "5").coarse, 1e-12)


def test_a_layer_that_runs_several_times():
    torch.manual_seed(0)
    block = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.ReLU())

    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.block, self.fc = block, nn.Linear(3, 4)

        def forward(self, x):
            return self.fc(self.block(self.block(x)).amax((2, 3)))

    net, x = Twice().double().eval(), batch().double()
    for call in (0, 1):
        e = explain(net, x, 1, "ablation_cam", "block", call=call)
        own = block(x).detach() if call == 0 else block(block(x)).detach()
        rest = (
            (lambda a: net.fc(block(a).amax((2, 3))))
            if call == 0
            else (lambda a: net.fc(a.amax((2, 3))))
        )
        losses = []
        for k in range(3):
            without = own.clone()
            without[:, k] = 0
            losses.append((rest(own) - rest(without))[:, 1].detach())
        assert_near(e.coarse, combine(torch.stack(losses, 1)[:, :, None, None], own), 1e-9)
