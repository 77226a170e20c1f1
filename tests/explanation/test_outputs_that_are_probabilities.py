"""A network that hands out probabilities, against the same one without its last layer."""

import json

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import sightline
from sightline import explain
from sightline.explanation.confidence import kept_confidence
from sightline.targets import Output


class Plain(nn.Module):
    """Logits of `k` classes; `end` makes of them what the model hands out."""

    def __init__(self, k=3, end=lambda z: z, scale=4.0):
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Conv2d(6, 6, 3), nn.ReLU())
        self.head, self.end = nn.Linear(6, k), end
        self.head.weight.data *= scale
        self.eval()

    def forward(self, x):
        return self.end(self.head(self.body(x).mean((2, 3))))


class WithLoss(Plain):
    def forward(self, x):
        return {"loss": x.sum(), "logits": super().forward(x)}


def in_a_wrapper(k, end):
    class Wrapper(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = Plain(k)

        def forward(self, x):
            return end(self.net(x))

    return Wrapper().eval()


def behind_a_module(k, end):
    module = {"softmax": nn.Softmax(1), "sigmoid": nn.Sigmoid(), "log": nn.LogSoftmax(1)}
    return nn.Sequential(Plain(k), module[NAMES[end]]).eval()


def softmax(z):
    return F.softmax(z, 1)


def log_softmax(z):
    return torch.log_softmax(z, dim=-1)


NAMES = {softmax: "softmax", torch.sigmoid: "sigmoid", log_softmax: "log"}
PLACES = {
    "inside": Plain,
    "with a loss": WithLoss,
    "in a wrapper": in_a_wrapper,
    "a module": behind_a_module,
}
CASES = [
    pytest.param(k, end, place, id=f"{NAMES[end]}, {k}, {place}")
    for k, end in ((1, torch.sigmoid), (2, softmax), (5, softmax), (5, log_softmax))
    for place in PLACES
]


def pictures(b=3):
    return torch.rand(b, 3, 12, 12, generator=torch.Generator().manual_seed(1))


def truth(k):
    return Plain(k)


@pytest.mark.parametrize(("k", "end", "place"), CASES)
def test_confidences_classes_and_maps_are_those_without_the_last_layer(k, end, place):
    x = pictures()
    own, other = explain(PLACES[place](k, end), x), explain(truth(k), x)
    assert own.targets == other.targets
    assert torch.allclose(own.probabilities, other.probabilities, atol=1e-6)
    assert torch.allclose(own.scores, other.scores, atol=1e-5)
    assert torch.allclose(own.coarse, other.coarse, rtol=1e-5, atol=1e-6)
    assert torch.allclose(own.maps, other.maps, atol=1e-5)
    assert [[t for t, _ in row] for row in own.top] == [[t for t, _ in row] for row in other.top]
    notes = " ".join(own.provenance["notes"])
    assert "probabilities" in notes
    assert "explained are the scores before" in notes


@pytest.mark.parametrize(("k", "end", "place"), CASES[::5])
def test_every_metric_is_that_without_the_last_layer(k, end, place):
    x = pictures(2)
    methods = ["grad_cam_pp"]
    own, other = (
        sightline.evaluate(net, [x], methods, "all", progress=False, views=0)
        for net in (PLACES[place](k, end), truth(k))
    )
    for name in own.rows.column_names:
        if name in ("protocol", "layer", "coarse"):
            continue
        for one, two in zip(own.column(name), other.column(name), strict=True):
            assert one == pytest.approx(two, abs=2e-5), name


def test_labels_of_their_own_by_sigmoid():
    net, x = Plain(4, torch.sigmoid), pictures()
    own = explain(net, x, [0, 3])
    assert torch.allclose(own.probabilities, net(x)[:, [0, 3]], atol=1e-6)
    assert torch.allclose(own.scores, truth(4)(x)[:, [0, 3]], atol=1e-5)


def test_one_sigmoid_that_is_certain_still_has_a_map():
    x = pictures()
    net = Plain(1, torch.sigmoid, scale=1e4)
    assert set(net(x).flatten().tolist()) <= {0.0, 1.0}
    own, other = explain(net, x), explain(Plain(1, scale=1e4), x)
    assert torch.allclose(own.maps, other.maps, atol=1e-5)
    assert (own.maps.flatten(1).amax(1) > 0).tolist() == (
        other.maps.flatten(1).amax(1) > 0
    ).tolist()


@pytest.mark.parametrize("end", [softmax, torch.sigmoid], ids=["softmax", "sigmoid"])
@pytest.mark.parametrize("method", ["score_cam", "ablation_cam", "smooth_grad_cam_pp"])
def test_methods_that_run_again_explain_what_outputs_tell(end, method):
    k = 1 if end is torch.sigmoid else 4
    x = pictures(1)
    own = explain(Plain(k, end), x, method=method)
    p = own.probabilities
    expected = p.log() if end is softmax else (p / (1 - p)).log()
    assert torch.allclose(own.scores, expected, atol=1e-5)
    assert any(note.startswith("explained is log p") for note in own.provenance["notes"])


@pytest.mark.parametrize("k", [1, 4])
def test_black_boxes_take_probabilities_for_what_they_are(k):
    net, x = Plain(k, softmax if k > 1 else torch.sigmoid), pictures(2)
    own = explain(net, x, method="rise", masks=8)
    other = explain(truth(k), x)
    assert own.targets == other.targets
    assert torch.allclose(own.probabilities, other.probabilities, atol=1e-6)


def test_alone_and_with_others_a_method_explains_the_same():
    net, x = Plain(4, softmax), pictures(1)
    both = explain(net, x, method=["grad_cam_pp", "score_cam"])
    for name, one in both.items():
        alone = explain(net, x, method=name)
        assert torch.equal(one.scores, alone.scores)
        assert torch.allclose(one.maps, alone.maps, atol=1e-6)


def test_a_logit_protocol_measures_what_outputs_tell():
    x = pictures()
    protocol = sightline.Protocol(score="logit")
    options = {"protocol": protocol, "progress": False, "views": 0}
    net = Plain(4, softmax)
    found = sightline.evaluate(net, [x], "grad_cam", "average_drop", **options)
    assert found.column("full_score") == pytest.approx(
        net(x).max(1).values.log().tolist(), abs=1e-5
    )
    one = Plain(1, torch.sigmoid)
    own, other = (
        sightline.evaluate(model, [x], "grad_cam", "average_drop", **options)
        for model in (one, truth(1))
    )
    assert own.column("full_score") == pytest.approx(other.column("full_score"), abs=1e-4)


def test_a_run_keeps_the_note_and_its_report_says_it(tmp_path):
    net, x = Plain(1, torch.sigmoid), pictures()
    found = sightline.evaluate(net, [x], "grad_cam", "average_drop", out=tmp_path, progress=False)
    kept = json.loads((tmp_path / "run.json").read_text())["notes"]
    assert kept == found.run["notes"]
    assert kept[0].startswith("the model's outputs are probabilities already")
    said = [one.sentence for one in sightline.summarise(found).cautions if one.kind == "note"]
    assert said[0].startswith("The model's outputs are probabilities already")
    again = sightline.evaluate(net, [x], "grad_cam", "average_drop", out=tmp_path, progress=False)
    assert len(again) == 3


def test_what_was_kept_is_a_probability():
    x = pictures()
    nets = Plain(1, torch.sigmoid), truth(1)
    one, two = (kept_confidence(net, explain(net, x)) for net in nets)
    assert torch.allclose(one, two, atol=1e-6)


@pytest.mark.parametrize("k", [1, 3])
def test_an_exported_explainer_reads_them_too(k):
    net, x = Plain(k, softmax if k > 1 else torch.sigmoid), pictures()
    explainer = sightline.exportable(net, images=x)
    outputs, maps = explainer(x)
    assert torch.equal(outputs, net(x))
    asked = explain(net, x, lambda out: predicted(out, k))
    assert torch.allclose(maps, asked.maps, atol=1e-4)


def predicted(out, k):
    if k > 1:
        return out.max(1).values.log()
    p = out[:, 0]
    return (p / (1 - p)).log() * torch.where(p > 0.5, 1, -1)


class Two(nn.Module):
    """Features beside logits, in either order."""

    def __init__(self, order=1):
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Conv2d(3, 7, 3), nn.ReLU())
        self.head, self.order = nn.Linear(7, 3), order

    def forward(self, x):
        features = self.body(x).mean((2, 3))
        return (features, self.head(features))[:: self.order]


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("names", [None, ["cat", "dog", "bird"]])
def test_the_classes_are_found_beside_features(order, names):
    net, x = Two(order).eval(), pictures()
    own = explain(net, x, classes=names)
    other = explain(net, x, Output(1 if order == 1 else 0))
    assert [t.index for t in own.targets] == [t.index for t in other.targets]
    assert torch.equal(own.maps, other.maps)
    assert any("several outputs" in note for note in own.provenance["notes"]) == (names is None)
