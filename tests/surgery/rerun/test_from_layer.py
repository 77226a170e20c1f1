"""Only what lies behind a layer runs again, and says what the whole model says."""

import logging
import threading

import pytest
import timm
import torch
import torchvision
from torch import nn

from helpers.closeness import assert_near
from helpers.nets import assert_same, batch, convnet, photograph
from sightline.errors import LayerError
from sightline.surgery import capture, replay, replay_from_layer


@pytest.fixture
def log(caplog):
    """What is said at debug."""
    caplog.set_level(logging.DEBUG, logger="sightline")
    return caplog


def versions_of(activations, m=5):
    """m versions with channels made weaker or switched off."""
    source = torch.Generator().manual_seed(0)
    shape = (m, 1, activations.shape[1], *[1] * (activations.ndim - 2))
    return activations * (torch.rand(shape, generator=source) * 2).floor().to(activations)


def assert_as_the_whole(net, inputs, layer, call=-1, whole=False, bar=1e-9, grid=None):
    """The same outputs as `replay`, which runs the whole model, for each of several versions."""
    own = capture(net, inputs, layer, call=call, grid=grid).activations
    versions = versions_of(own)
    want = torch.stack([replay(net, inputs, layer, one, call=call, grid=grid) for one in versions])
    assert not torch.equal(want[0], want[1])
    with replay_from_layer(net, inputs, layer, call=call, grid=grid) as again:
        assert again.full_replay is whole
        step = min(again.most, 3)
        got = [again(part.flatten(0, 1).clone()) for part in versions.split(step)]
    assert_near(torch.cat(got), want.flatten(0, 1), bar)


class Ran:
    """Which modules compute."""

    def __init__(self, net):
        self.told = []
        for name, module in net.named_modules():
            if not list(module.children()):
                module.forward = self._telling(name, module.forward)

    def _telling(self, name, forward):
        def telling(*args, **kwargs):
            self.told.append(name)
            return forward(*args, **kwargs)

        return telling


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("head", ["pool", "fc"])
@pytest.mark.parametrize("inplace", [True, False])
@pytest.mark.parametrize("layer", ["0", "2", "4", "5"])
def test_behind_every_layer_of_a_chain(axes, head, inplace, layer):
    assert_as_the_whole(
        convnet(axes, head=head, inplace=inplace).double(), batch(axes).double(), layer
    )


def test_what_ran_before_the_layer_does_not_run_again():
    net, x = convnet(head="fc"), batch()
    ran = Ran(net)
    with replay_from_layer(net, x, "4") as again:
        ran.told.clear()
        again(torch.rand(6, 8, 12, 10))
    assert ran.told == ["5", "6", "7", "8", "9", "10", "11"]


class Around(nn.Module):
    """A connection around the layer, a sum in place behind it, and something of the picture itself
    at the end.
    """

    def __init__(self, shortcut="add"):
        super().__init__()
        torch.manual_seed(0)
        self.stem, self.inner, self.act = (
            nn.Conv2d(3, 6, 3, padding=1),
            nn.Conv2d(6, 6, 3, padding=1),
            nn.ReLU(True),
        )
        self.fc, self.shortcut = nn.Linear(9, 4), shortcut

    def forward(self, x):
        y = self.act(self.stem(x))
        z = self.inner(y)
        z += y
        z = self.act(z)
        return self.fc(torch.cat([z.mean((2, 3)), x.mean((2, 3))], 1))


@pytest.mark.parametrize("b", [1, 3])
def test_connections_around_the_layer_find_their_other_end(b):
    assert_as_the_whole(Around().double().eval(), batch(b=b).double(), "inner")


class Branches(nn.Module):
    """The second branch is computed after the layer, from before it."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.stem, self.one, self.two = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 5, 3), nn.Conv2d(4, 5, 3)

    def forward(self, x):
        y = self.stem(x).relu()
        return (self.one(y) * self.two(y)).mean((2, 3))


def test_a_branch_that_runs_after_the_layer_is_run():
    assert_as_the_whole(Branches().double().eval(), batch().double(), "one")


class Shared(nn.Module):
    """One activation for all, one block three times."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.act = nn.ReLU(inplace=True)
        self.block = nn.Sequential(
            nn.Conv2d(3, 3, 3, padding=1), self.act, nn.Conv2d(3, 3, 3, padding=1)
        )
        self.fc = nn.Linear(3, 4)

    def forward(self, x):
        for _ in range(3):
            x = self.act(self.block(x) + x)
        return self.fc(x.mean((2, 3)))


@pytest.mark.parametrize("b", [1, 2])
@pytest.mark.parametrize(
    ("layer", "call"), [("block", 0), ("block", 1), ("block.2", 1), ("act", 3), ("block.0", 2)]
)
def test_modules_that_run_several_times(layer, call, b):
    assert_as_the_whole(Shared().double().eval(), batch(b=b).double(), layer, call=call)


class Windows(nn.Module):
    """Cuts the map into windows, as windowed attention does; its table knows no images."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.stem, self.mix, self.table = nn.Conv2d(3, 6, 1), nn.Linear(6, 6), nn.Embedding(8, 6)
        self.norm, self.fc = nn.LayerNorm(6), nn.Linear(6, 4)

    def forward(self, x):
        y = self.stem(x).movedim(1, -1)
        b, h, w, c = y.shape
        windows = y.reshape(b, h // 2, 2, w // 2, 2, c).transpose(2, 3).reshape(-1, 4, c)
        windows = self.mix(windows) + self.table(torch.arange(4))
        y = windows.reshape(b, h // 2, w // 2, 2, 2, c).transpose(2, 3).reshape(b, h, w, c)
        y = self.norm(y)
        return self.fc(y.amax((1, 2)))


@pytest.mark.parametrize("b", [1, 3])
def test_windows_and_tables(b):
    assert_as_the_whole(Windows().double().eval(), batch(b=b).double(), "norm")


class Remembers(nn.Module):
    """Hands a feature on through an attribute: what is remembered there has the batch of another
    run.
    """

    def __init__(self, kind):
        super().__init__()
        self.first, self.kind = First(self), kind
        self.conv, self.fc = nn.Conv2d(6, 6, 3, padding=1), nn.Linear(6, 4)

    def forward(self, x):
        y = self.conv(self.first(x))
        kept = self.kept.expand_as(y) if self.kind == "tensor" else self.kept
        return self.fc(
            (y + kept).mean((2, 3)) if self.kind == "tensor" else y.mean((2, 3)).view(kept, -1)
        )


class First(nn.Module):
    def __init__(self, owner):
        super().__init__()
        self.conv, self.owner = nn.Conv2d(3, 6, 3, padding=1), [owner]

    def forward(self, x):
        y = self.conv(x)
        self.owner[0].kept = y.mean(1, keepdim=True) if self.owner[0].kind == "tensor" else len(x)
        return y


@pytest.mark.parametrize("kind", ["tensor", "number"])
def test_where_the_way_round_cannot_be_gone_the_whole_model_runs(kind, log):
    torch.manual_seed(0)
    assert_as_the_whole(Remembers(kind).double().eval(), batch().double(), "conv", whole=True)
    assert log.messages[-1].startswith(
        "replaying the whole model: the model does not run on what was recorded: RuntimeError: "
    )


class InPlace(nn.Module):
    """A module whose value is what it does to its input."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.stem, self.act, self.conv = (
            nn.Conv2d(3, 4, 3),
            nn.ReLU(inplace=True),
            nn.Conv2d(4, 5, 3),
        )

    def forward(self, x):
        y = self.stem(x)
        self.act(y)
        z = self.conv(y)
        return (z.mean((2, 3)) + y.mean((1, 2, 3))[:, None]).sin()


@pytest.mark.parametrize("b", [1, 2])
def test_what_a_module_does_in_place_is_not_lost(b, log):
    net, x = InPlace().double().eval(), batch(b=b).double()
    assert_as_the_whole(net, x, "conv", whole=True)
    why = "the outputs are not those of a full run"
    assert log.messages == [f"replaying from copies: {why}", f"replaying the whole model: {why}"]


class Fixed(nn.Module):
    """Takes two images and no other number of them."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.stem, self.fc = nn.Conv2d(3, 4, 3), nn.Linear(4, 3)

    def forward(self, x):
        return self.fc(self.stem(x).relu().mean((2, 3)).view(2, 4))


def test_a_model_with_a_batch_of_its_own_runs_as_a_whole(log):
    assert_as_the_whole(Fixed().double().eval(), batch(b=2).double(), "stem", whole=True)
    (said,) = log.messages
    assert said.startswith(
        "replaying the whole model: the model does not run on twice as many images: RuntimeError: "
    )


class Two(nn.Module):
    """Two inputs, a mapping out."""

    def __init__(self):
        super().__init__()
        self.net = convnet(head="fc")

    def forward(self, image, scale, bias):
        return self.net(image) * scale[:, None] + bias


def test_other_inputs_go_along():
    net, x = Two().double().eval(), batch().double()
    inputs = {
        "image": x,
        "scale": torch.tensor([1.0, 2.0, 3.0]).double(),
        "bias": torch.tensor(0.5).double(),
    }
    assert_as_the_whole(net, inputs, "net.2")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("resnet18", "layer3.1.relu"),
        ("resnet18", "layer4"),
        ("densenet121", "features.denseblock4"),
        ("swin_t", "features.5.3.norm1"),
        ("convnext_tiny", "features.5"),
        ("mobilenet_v3_small", "features.8"),
    ],
)
def test_networks_of_torchvision(name, layer):
    torch.manual_seed(0)
    net = torchvision.models.get_model(name, weights=None, num_classes=7).eval()
    assert_as_the_whole(net, torch.randn(2, 3, 96, 96), layer, bar=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "deit3_small_patch16_224"])
def test_class_tokens_stay(name):
    torch.manual_seed(0)
    net = timm.create_model(name, img_size=64, num_classes=7).eval()
    assert_as_the_whole(net, torch.randn(2, 3, 64, 64), "blocks.10.norm1", bar=1e-4)


def test_no_trace_also_after_an_error():
    net, x = convnet(head="fc", inplace=True).train(), batch()
    before, kept = photograph(net), x.clone()
    with replay_from_layer(net, x, "4") as again:
        again(torch.rand(6, 8, 12, 10))
        with pytest.raises(LayerError, match="in the shape"):
            again(torch.rand(6, 8, 3, 3))
        again(torch.rand(3, 8, 12, 10))
    assert_same(before, photograph(net))
    assert torch.equal(x, kept)


def test_a_forward_of_ones_own_on_the_module_comes_back():
    net, x = convnet(), batch()
    mine = net[0].forward
    net[0].forward = lambda x: mine(x) * 2
    own = net[0].forward
    with replay_from_layer(net, x, "2") as again:
        assert not again.full_replay
        again(torch.rand(3, 6, 12, 10))
    assert net[0].forward is own


def test_another_thread_s_forward_is_its_own():
    net, x = convnet(), batch()
    want, found = net(x), []

    class Meanwhile(nn.Module):
        def forward(self, y):
            thread = threading.Thread(target=lambda: found.append(net[:9](x)))
            thread.start()
            thread.join()
            return y

    longer = nn.Sequential(*net, Meanwhile()).eval()
    with replay_from_layer(longer, x, "5") as again:
        again(torch.rand(3, 8, 12, 10))
    assert len(found) > 1
    assert all(torch.equal(one, want) for one in found)


def fails(*args):
    raise IndexError("a mistake of ours")


def test_a_mistake_of_ours_is_an_error_when_strict(monkeypatch):
    monkeypatch.setattr("sightline.surgery.rerun.from_layer.compare_outputs", fails)
    net, x = convnet(), batch()
    before = photograph(net)
    with (
        pytest.raises(IndexError, match="a mistake of ours"),
        replay_from_layer(net, x, "5"),
    ):
        pass
    assert_same(before, photograph(net))


@pytest.mark.usefixtures("as_for_users")
def test_for_users_the_whole_model_runs_and_the_log_says_why(monkeypatch, log):
    monkeypatch.setattr("sightline.surgery.rerun.from_layer.compare_outputs", fails)
    assert_as_the_whole(convnet().double(), batch().double(), "5", whole=True)
    assert log.messages == ["replaying the whole model: IndexError: a mistake of ours"]
