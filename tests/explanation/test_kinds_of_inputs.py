"""What people's models take: lists, mappings, waveforms, frames in the batch."""

import pytest
import torch
from torch import Tensor, nn
from torchvision import models

from sightline import explain, layers
from sightline.errors import ImageError, LayerError, ModelError, SurgeryError, TargetError
from sightline.surgery import supported_model

METHODS = ["grad_cam", "score_cam", "ablation_cam", "gradient", "full_grad", "occlusion"]


def drawn(*shape):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def trunk(c=3):
    return nn.Sequential(nn.Conv2d(c, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.ReLU())


class Net(nn.Module):
    """One picture, or what `taken` makes of what is handed in."""

    def __init__(self, taken=lambda x: x):
        super().__init__()
        torch.manual_seed(0)
        self.body, self.head, self.taken = trunk(), nn.Linear(4, 3), taken
        self.double().eval()

    def forward(self, x):
        return self.head(self.body(self.taken(x)).mean((2, 3)))


class Views(Net):
    """Two views, one trunk for each, as one list."""

    def __init__(self):
        super().__init__()
        self.other, self.head = trunk().double(), nn.Linear(8, 3).double()

    def forward(self, views: list[Tensor]) -> Tensor:
        one, two = views
        return self.head(torch.cat([self.body(one), self.other(two)], 1).mean((2, 3)))


class ViewsByName(Views):
    def forward(self, one, two):
        return super().forward([one, two])


class Wave(nn.Module):
    """A waveform `[b, samples]`, or with its channel."""

    def __init__(self, channel=False):
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Conv1d(1, 4, 5, 2, 2), nn.ReLU(), nn.Conv1d(4, 4, 5, 2, 2))
        self.act, self.head, self.channel = nn.ReLU(), nn.Linear(4, 3), channel
        self.double().eval()

    def forward(self, x):
        return self.head(self.act(self.body(x if self.channel else x.unsqueeze(1))).mean(2))


class Frames(nn.Module):
    """A network of pictures for every frame, and a recurrent one on top."""

    def __init__(self, folded=True):
        super().__init__()
        torch.manual_seed(0)
        self.body, self.top, self.head = trunk(), nn.GRU(4, 4, batch_first=True), nn.Linear(4, 3)
        self.folded = folded
        self.double().eval()

    def forward(self, clip):
        b, t = clip.shape[:2]
        if self.folded:
            frames = self.body(clip.flatten(0, 1)).mean((2, 3)).unflatten(0, (b, t))
        else:
            frames = torch.stack([self.body(one).mean((2, 3)) for one in clip.unbind(1)], 1)
        return self.head(self.top(frames)[0][:, -1])


@pytest.mark.parametrize("method", METHODS)
def test_a_mapping_as_one_argument_is_the_picture_in_it(method):
    x = drawn(2, 3, 10, 10)
    net = Net(lambda batch: batch["image"])
    own = explain(net, {"image": x, "label": torch.tensor([0, 1])}, 1, method)
    assert torch.equal(own.maps, explain(Net(), x, 1, method).maps)
    assert torch.equal(explain(net, ({"image": x},), 1, method).maps, own.maps)


@pytest.mark.parametrize("method", METHODS)
def test_a_list_of_views_is_what_two_arguments_are(method):
    one, two = drawn(2, 3, 10, 10), drawn(2, 3, 10, 10).flip(-1)
    wanted = explain(ViewsByName(), (one, two), 1, method)
    for inputs in (([one, two],), [one, two]):
        assert torch.equal(explain(Views(), inputs, 1, method).maps, wanted.maps)


def test_pathways_of_other_sizes_are_one_argument():
    class SlowFast(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.slow, self.fast = nn.Conv3d(3, 4, 3, padding=1), nn.Conv3d(3, 2, 3, padding=1)
            self.act, self.head = nn.ReLU(), nn.Linear(6, 3)

        def forward(self, x):
            maps = self.act(self.slow(x[0])), self.fast(x[1])
            return self.head(torch.cat([one.mean((2, 3, 4)) for one in maps], 1))

    slow, fast = drawn(1, 3, 2, 8, 8).float(), drawn(1, 3, 6, 8, 8).float()
    e = explain(SlowFast().eval(), [slow, fast], 1)
    assert e.maps.shape == (1, 2, 8, 8)


@pytest.mark.parametrize("method", METHODS)
def test_a_waveform_is_one_with_a_channel(method):
    x = drawn(2, 64)
    own = explain(Wave(), x, 1, method)
    assert own.maps.shape == (2, 64)
    assert torch.equal(own.maps, explain(Wave(channel=True), x.unsqueeze(1), 1, method).maps)


def test_a_waveform_is_told_from_a_signal_without_its_batch_axis():
    net = nn.Sequential(nn.Conv1d(12, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten())
    with pytest.raises(ImageError, match="needs a batch axis"):
        explain(net, torch.rand(12, 64))
    assert explain(Wave(), drawn(1, 64), axes="b samples").maps.shape == (1, 64)


def by_hand(net, clip, target):
    held = []
    hook = net.body.register_forward_hook(lambda _, __, out: held.append(out))
    score = net(clip)[:, target].sum()
    hook.remove()
    (gradient,) = torch.autograd.grad(score, held[0])
    maps, gradient = (one.unflatten(0, (len(clip), -1)) for one in (held[0], gradient))
    return torch.einsum("bc,btchw->bthw", gradient.mean((1, 3, 4)), maps).detach()


def test_frames_in_the_batch_are_a_clip():
    net, clip = Frames(), drawn(2, 4, 3, 10, 10)
    e = explain(net, clip, [0, 2], "grad_cam")
    assert (e.layer, e.maps.shape) == ("body", (2, 2, 4, 10, 10))
    for k, target in enumerate((0, 2)):
        torch.testing.assert_close(e.coarse[:, k], by_hand(net, clip, target))
    assert e.provenance["layer"]["place"]["outcome"] == "confirmed"
    assert e.provenance["layer"]["grid"]["kind"] == "folded"
    assert {row.grid.kind for row in layers(net, clip)} == {"folded"}


@pytest.mark.parametrize("method", ["score_cam", "ablation_cam", "eigen_cam", "layer_cam"])
def test_a_batch_of_folded_clips_is_each_of_them(method):
    net, clip = Frames(), drawn(2, 4, 3, 10, 10)
    both = explain(net, clip, 1, method).maps
    for k in range(2):
        torch.testing.assert_close(explain(net, clip[k : k + 1], 1, method).maps[0], both[k])


def test_a_layer_that_runs_for_every_frame_is_named_with_the_way_out():
    with pytest.raises(LayerError, match=r"'body' of Frames runs once for each frame.*flatten"):
        explain(Frames(folded=False), drawn(1, 4, 3, 10, 10))


class Ends(Net):
    """Its outputs have no graph, in one way or another."""

    def __init__(self, end):
        super().__init__()
        self.end = end

    def forward(self, x):
        if self.end == "inference":
            with torch.inference_mode():
                return super().forward(x)
        scores = super().forward(x)
        if self.end == "inference head":
            with torch.inference_mode():
                return scores * 2
        return {
            "argmax": lambda: scores.argmax(1),
            "numpy": lambda: scores.detach().numpy(),
            "detach": scores.detach,
        }[self.end]()


@pytest.mark.parametrize(
    ("end", "named", "error", "words"),
    [
        ("argmax", False, LayerError, r"whole numbers \(int64 \[1\]\), as argmax makes them"),
        ("argmax", True, TargetError, r"whole numbers \(int64 \[2\]\).*nothing leads back"),
        ("numpy", False, LayerError, r"a NumPy array \(float64 \[1, 3\]\)"),
        ("numpy", True, TargetError, "a NumPy array"),
        ("detach", False, LayerError, r"have no graph: \.detach\(\)"),
    ],
)
def test_outputs_without_a_graph_are_named(end, named, error, words):
    with pytest.raises(error, match=words):
        explain(Ends(end), drawn(2, 3, 10, 10), layer="body" if named else None)


@pytest.mark.parametrize("end", ["inference", "inference head"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"layer": "body"},
        {"method": "gradient"},
        {"method": "full_grad"},
        {"target": lambda out: out[:, 0]},
    ],
    ids=["nothing", "layer", "gradient", "full_grad", "function"],
)
def test_inference_mode_has_one_wording_whoever_finds_it(end, options):
    wording = r"runs inside its own torch\.inference_mode\(\), where none can be\. Use torch\.no_gr"
    with pytest.raises(SurgeryError, match=wording):
        explain(Ends(end), drawn(1, 3, 10, 10), **options)
    assert explain(Ends(end), drawn(1, 3, 10, 10), method="rise", masks=4).maps.shape == (1, 10, 10)


def test_a_module_that_returns_nothing_is_no_layer():
    class Dummy(nn.Module):
        def forward(self, x):
            return x.new_zeros(len(x), 0, 4, 4)

    class WithDummy(Net):
        def __init__(self):
            super().__init__()
            self.dummy = Dummy()

        def forward(self, x):
            self.dummy(x)
            return super().forward(x)

    x = drawn(2, 3, 10, 10)
    assert torch.equal(explain(WithDummy(), x, 1).maps, explain(Net(), x, 1).maps)


def test_an_exported_program_has_pixels_and_no_layers():
    x = drawn(2, 3, 10, 10)
    program = torch.export.export(Net(), (x,))
    with pytest.raises(LayerError, match="is an exported program, a graph of operators without"):
        explain(program.module(), x)
    own = explain(program.module(), x, 1, "gradient")
    assert torch.equal(own.maps, explain(Net(), x, 1, "gradient").maps)
    with pytest.raises(ModelError, match=r"of an exported program pass program\.module\(\)"):
        supported_model(program)
    with pytest.raises(AssertionError) as caught:
        explain(program.module(), x, 1, "rise", masks=4)
    assert "export it with dynamic_shapes" in caught.value.__notes__[0]


def test_float_networks_that_are_made_to_be_quantised_are_explained():
    torch.manual_seed(0)
    net = models.quantization.resnet18(quantize=False).eval()
    plain = models.resnet18().eval()
    plain.load_state_dict(net.state_dict())
    x = drawn(1, 3, 64, 64).float()
    own, other = explain(net, x, 1), explain(plain, x, 1)
    torch.testing.assert_close(own.maps, other.maps)


def test_a_list_as_long_as_the_batch_is_told_from_a_class_for_each():
    x = drawn(3, 3, 10, 10)
    told = explain(Net(), x, [0, 1, 2]).provenance["notes"]
    assert any("asks each of the 3 images for all of its 3 classes" in note for note in told)
    for target in ([0, 1], torch.tensor([0, 1, 2]), ["top1", 1, 2]):
        assert explain(Net(), x, target).provenance["notes"] == []


class Headless(Net):
    def __init__(self, how):
        super().__init__()
        self.how = how
        if how == "identity":
            self.head = nn.Identity()
        if how == "timm":
            self.num_classes = 0
        if how == "unit":
            self.head = nn.Linear(4, 16).double()

    def forward(self, x):
        found = super().forward(x)
        return nn.functional.normalize(found) if self.how == "unit" else found


@pytest.mark.parametrize("how", ["identity", "timm", "unit"])
def test_an_embedding_is_no_class(how):
    x = drawn(2, 3, 10, 10)
    with pytest.raises(TargetError, match=r"are an embedding .*Similarity\(embedding\)"):
        explain(Headless(how), x)
    e = explain(Headless(how), x, 2)
    assert any("a number of an embedding" in note for note in e.provenance["notes"])
    k = 16 if how == "unit" else 4 if how == "identity" else 3
    named = explain(Headless(how), x, classes=[f"name {n}" for n in range(k)])
    assert str(named.targets[0]).startswith("name")
