"""Models that keep something at every run come out as they were, attributes included.

Fake-quantised and observed ones, ones with features, counters, lists and sizes.
"""

import copy

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

import sightline
from helpers.nets import assert_same, batch, convnet, photograph
from sightline.errors import SurgeryError
from sightline.surgery import capture

quantization = pytest.importorskip("torch.ao.quantization")


def kept(net):
    """What a model's modules hold beside tables, flags and weights, compared by value and type."""
    return [
        {
            name: value.tolist() if isinstance(value, torch.Tensor) else copy.copy(value)
            for name, value in vars(module).items()
            if not name.startswith("_")
        }
        for module in net.modules()
    ]


def fake_quantised(backend, trained):
    """Quantisation-aware in eager mode: observers that go on observing in eval mode."""
    net = nn.Sequential(quantization.QuantStub(), *convnet(head="fc"), quantization.DeQuantStub())
    net.qconfig = quantization.get_default_qat_qconfig(backend)
    quantization.prepare_qat(net.train(), inplace=True)
    if trained:
        net(batch(seed=3))
    return net


def observed(observer):
    """To be quantised after training: every layer has an observer, and a hook that calls it."""
    net = convnet()
    net.qconfig = quantization.QConfig(
        activation=observer, weight=quantization.default_weight_observer
    )
    quantization.prepare(net, inplace=True)
    net(batch(seed=3))
    return net


NETS = {
    "fake-quantised": lambda: fake_quantised("x86", trained=True),
    "fake-quantised, per tensor": lambda: fake_quantised("qnnpack", trained=True),
    "fake-quantised and new": lambda: fake_quantised("x86", trained=False),
    "observed": lambda: observed(quantization.MovingAverageMinMaxObserver),
    "observed in histograms": lambda: observed(quantization.HistogramObserver),
    "observed in a list": lambda: observed(quantization.RecordingObserver),
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
@pytest.mark.parametrize("name", NETS)
def test_fake_quantised_and_observed_models_stay_bit_for_bit(name):
    net = NETS[name]().eval()
    before, held = photograph(net), kept(net)
    for method in ("grad_cam", "gradient", "occlusion"):
        options = {"at_once": 49} if method == "occlusion" else {}
        sightline.explain(net, batch(), method=method, **options)
    assert_same(before, photograph(net))
    assert repr(kept(net)) == repr(held)


class Keeps(nn.Module):
    """Features, a list, a counter, and a size that a checkpoint reads when it is computed again."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.body, self.top, self.fc = convnet()[:6], nn.Conv2d(8, 8, 3), nn.Linear(8, 5)
        self.log, self.count, self.size = [], 0, None

    def mean(self, x):
        return self.top(x).relu().sum((2, 3)) / self.size

    def forward(self, x):
        self.features = self.body(x)
        self.log.append(self.features)
        self.count, self.size = self.count + 1, self.features[0, 0].numel()
        self.top.seen = self.features
        return self.fc(checkpoint(self.mean, self.features, use_reentrant=False))


@pytest.mark.parametrize("used", [False, True])
def test_what_a_forward_keeps_is_gone_or_as_before(used):
    net = Keeps().eval()
    if used:
        net(batch(seed=5))
    before, held = photograph(net), [dict(vars(one)) for one in (net, net.top)]
    log = list(net.log)
    for method in ("grad_cam_pp", "score_cam", "gradient", "smooth_grad_cam_pp"):
        sightline.explain(net, batch(), method=method)
        assert_same(before, photograph(net))
        for module, own in zip((net, net.top), held, strict=True):
            assert list(vars(module)) == list(own)
            assert all(vars(module)[name] is value for name, value in own.items())
        assert all(a is b for a, b in zip(net.log, log, strict=True))


@pytest.mark.parametrize("method", ["grad_cam", "gradient"])
def test_a_target_may_read_what_the_model_keeps(method):
    net = Keeps().eval()
    net(batch(seed=5))  # what it has kept of other pictures is not what is asked

    def target(outputs):
        return net.features[:, 1].square().sum((1, 2))

    layer = {"layer": "body.3"} if method == "grad_cam" else {}
    found = sightline.explain(net, batch(), target=target, method=method, **layer)
    wanted = net.body(batch())[:, 1].square().sum((1, 2))
    torch.testing.assert_close(found.scores, wanted.detach())
    assert {one.word for one in found.status} == {"ok"}


class Inside(nn.Module):
    """A reentrant checkpoint around some layers."""

    def __init__(self):
        super().__init__()
        self.net = convnet()

    def forward(self, x):
        return self.net[6:](checkpoint(self.net[3:6], self.net[:3](x), use_reentrant=True))


@pytest.mark.filterwarnings("ignore:None of the inputs:UserWarning")
@pytest.mark.parametrize("frozen", [False, True])
def test_a_layer_inside_a_reentrant_checkpoint_is_told_and_not_blank(frozen):
    net = Inside().eval().requires_grad_(not frozen)
    told = r"Inside calls torch.utils.checkpoint with use_reentrant=True. Pass use_reentrant=False"
    for layer in ("net.3", "net.5"):
        with pytest.raises(SurgeryError, match=told):
            sightline.explain(net, batch(), layer=layer)
        trace = capture(net, batch(), layer)
        assert torch.equal(trace.activations, net.net[: int(layer[-1]) + 1](batch()))
    assert sightline.explain(net, batch(), layer="net.5", method="eigen_cam").coarse.any()


@pytest.mark.filterwarnings("ignore:None of the inputs:UserWarning")
def test_behind_a_reentrant_checkpoint_nothing_is_in_the_way():
    class Before(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = convnet()

        def forward(self, x):
            return self.net[3:](checkpoint(self.net[:3], x, use_reentrant=True))

    net = Before().eval()
    found = sightline.explain(net, batch(), layer="net.5")
    assert torch.equal(found.coarse, sightline.explain(net.net, batch(), layer="5").coarse)
