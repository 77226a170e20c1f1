"""The linear head behind a pooled feature map: read off the graph, and never where it is not."""

import copy

import pytest
import torch
from torch import nn

from helpers.backward import head_of
from helpers.nets import POOLS, Twice, assert_same, batch, convnet, photograph
from sightline import explain
from sightline.errors import LayerError
from sightline.surgery import capture


def with_head(*tail, body=None):
    """A body whose layer `1` has 6 feature maps behind a ReLU, and some tail."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), *tail).eval()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_a_linear_layer_on_the_mean_is_the_head(axes, dtype):
    net, x = convnet(axes).to(dtype), batch(axes).to(dtype)
    assert torch.equal(head_of(net, x, "5"), net[8].weight)
    assert head_of(net, x, "4") is None  # before the ReLU
    assert head_of(net, x, "2") is None


@pytest.mark.parametrize("extra", [[], [nn.Dropout()], [nn.Identity()]])
def test_what_changes_nothing_in_between_does_not_matter(extra):
    net = with_head(nn.AdaptiveAvgPool2d(1), nn.Flatten(), *extra, nn.Linear(6, 5))
    assert torch.equal(head_of(net, batch(), "1"), net[-1].weight)


def test_a_one_by_one_convolution_before_the_mean_is_a_head_too():
    net = with_head(nn.Conv2d(6, 5, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    assert torch.equal(head_of(net, batch(), "1"), net[2].weight.flatten(1))
    biasless = with_head(nn.Conv2d(6, 5, 1, bias=False), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    assert torch.equal(head_of(biasless, batch(), "1"), biasless[2].weight.flatten(1))


@pytest.mark.parametrize(
    "tail",
    [
        [nn.Conv2d(6, 5, 3, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten()],
        [nn.Conv2d(6, 6, 1, groups=2), nn.AdaptiveAvgPool2d(1), nn.Flatten()],
        [nn.Conv2d(6, 5, 1, stride=2), nn.AdaptiveAvgPool2d(1), nn.Flatten()],
        [nn.Conv2d(6, 5, 1, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten()],
        [nn.Conv2d(6, 5, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()],
        [nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(6, 5)],
        [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 7), nn.ReLU(), nn.Linear(7, 5)],
        [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LayerNorm(6), nn.Linear(6, 5)],
        [nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(24, 5)],
    ],
    ids=lambda tail: "-".join(type(part).__name__ for part in tail),
)
def test_any_other_tail_has_none(tail):
    net, x = with_head(*tail), batch()
    assert head_of(net, x, "1") is None
    with pytest.raises(
        LayerError, match=r"one linear layer on the spatial mean of '1'.*Take method='grad_cam'"
    ):
        explain(net, x, 1, "cam", "1")


def test_behind_a_softmax_the_head_is_that_of_what_went_into_it():
    tail = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 5)
    net, x = with_head(*tail, nn.Softmax(1)), batch()
    assert head_of(net, x, "1") is None
    plain = nn.Sequential(*list(net)[:-1])
    assert torch.equal(explain(net, x, 1, "cam", "1").maps, explain(plain, x, 1, "cam", "1").maps)


@pytest.mark.parametrize("x", [torch.zeros(1, 3, 12, 10), torch.full((2, 3, 12, 10), 0.7)])
def test_a_picture_on_which_maximum_and_mean_agree_does_not_deceive(x):
    """Zero or the same everywhere: remembered, the mistake would be silent ever after."""
    net = with_head(nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(6, 5))
    pooled = net[1](net[0](x))
    torch.testing.assert_close(pooled.amax((2, 3)), pooled.mean((2, 3)))
    assert head_of(net, x, "1") is None
    assert head_of(net, batch(), "1") is None


def test_what_holds_on_a_grid_of_one_place_is_not_believed_on_a_larger_one():
    net = with_head(nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(6, 5))
    assert (
        head_of(net, batch()[:, :, :3, :3], "1") is None
    )  # the same number, but from one place of perhaps many
    assert head_of(net, batch(), "1") is None


def test_only_the_run_before_the_head_has_it():
    net, x = Twice().eval(), batch()
    assert torch.equal(head_of(net, x, "act"), net.fc.weight)
    assert torch.equal(head_of(net, x, "act", call=1), net.fc.weight)
    assert head_of(net, x, "act", call=0) is None


class Outputs(nn.Module):
    """Two heads on one mean, handed over in a dict."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.body, self.side, self.main = convnet()[:6], nn.Linear(8, 5), nn.Linear(8, 5)

    def forward(self, x):
        mean = self.body(x).mean((2, 3))
        return {"auxiliary": self.side(mean), "logits": self.main(mean)}


def test_of_two_heads_the_one_that_gives_the_logits_counts():
    net = Outputs().eval()
    assert torch.equal(head_of(net, batch(), "body"), net.main.weight)


def test_the_weights_are_read_anew_and_an_exchanged_head_is_looked_for_again():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.body, self.fc = convnet()[:6], nn.Linear(8, 5)

        def forward(self, x):
            head = self.fc if hasattr(self, "fc") else self.top
            return head(self.body(x).mean((2, 3)))

    net, x = Net().eval(), batch()
    assert torch.equal(head_of(net, x, "body"), net.fc.weight)
    with torch.no_grad():
        net.fc.weight.mul_(2)
    assert torch.equal(head_of(net, x, "body"), net.fc.weight)
    net.fc = nn.Sequential(nn.Dropout(), nn.Linear(8, 3)).eval()
    assert torch.equal(head_of(net, x, "body"), net.fc[1].weight)
    del net.fc
    net.top = nn.Linear(8, 7)
    assert torch.equal(head_of(net, x, "body"), net.top.weight)


def test_reading_leaves_no_trace_and_runs_nothing():
    net, x, runs = convnet().train(), batch(), []
    before = photograph(net)
    trace = capture(net, x, "5")
    net.register_forward_hook(lambda *_: runs.append(1))
    assert trace.head(trace.outputs, 0) is not None
    assert not runs
    net._forward_hooks.clear()
    assert_same(before, photograph(net))


def test_a_grid_that_was_stated_is_read_that_way():
    class Tokens(nn.Module):
        """13 leading tokens, more than are known; the head reads the mean of the rest."""

        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.patch, self.keep, self.head = nn.Conv2d(3, 6, 2, 2), nn.Identity(), nn.Linear(6, 5)

        def forward(self, x):
            y = self.patch(x).flatten(2).transpose(1, 2)
            return self.head(
                self.keep(torch.cat([y.new_ones(len(y), 25, 6), y], 1))[:, 25:].mean(1)
            )

    net, x = Tokens().eval(), batch()
    assert torch.equal(head_of(net, x, "keep", grid=(6, 5)), net.head.weight)
    read = lambda out: out[:, 25:].unflatten(1, (6, 5)).movedim(-1, 1)  # noqa: E731
    assert head_of(net, x, "keep", grid=read) is None  # nothing is known of the function


def test_pools_of_every_rank_are_means():
    for axes, pool in POOLS.items():
        x = batch(axes)
        torch.testing.assert_close(pool(1)(x).flatten(1), x.flatten(2).mean(2))


class Switched(nn.Module):
    """A pooled linear head until somebody turns the temperature."""

    def __init__(self):
        super().__init__()
        self.net, self.temperature = convnet(), 1.0

    def forward(self, x):
        return self.net(x) * self.temperature


def test_a_forward_that_changed_since_the_search_is_noticed():
    net, x = Switched().eval(), batch()
    explain(net, x, 1, "grad_cam_pp", score="softmax")
    net.temperature = 5.0
    again = explain(net, x, 1, "grad_cam_pp", score="softmax").coarse
    fresh = explain(copy.deepcopy(net), x, 1, "grad_cam_pp", score="softmax").coarse
    torch.testing.assert_close(again, fresh)
    with pytest.raises(LayerError, match="something else lies between"):
        explain(net, x, 1, "cam")


def test_a_transposed_convolution_is_no_head():
    net = with_head(nn.ConvTranspose2d(6, 6, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with torch.no_grad():
        net[2].weight.copy_(net[2].weight + net[2].weight.transpose(0, 1))  # right by chance
    assert head_of(net, batch(), "1") is None


def test_weights_that_depend_on_the_layer_are_no_head():
    class Hyper(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.body, self.make = nn.Sequential(nn.Conv2d(3, 6, 3), nn.Tanh()), nn.Linear(6, 24)

        def forward(self, x):
            mean = self.body(x).mean((2, 3))
            return mean @ self.make(mean.mean(0)).view(6, 4)

    assert head_of(Hyper().eval(), batch(), "body") is None
