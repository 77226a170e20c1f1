"""One activation used everywhere: a row a run, and the run that is explained is the right one."""

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.models import resnet18, resnet50

from helpers.random_weights import NoDrawing, lively
from helpers.shared_act import OWN, Blocks, Bottle, Plain, Side
from sightline import Protocol, compare_layers, evaluate, explain, exportable, factorise, layers
from sightline.errors import LayerError, SurgeryError
from sightline.surgery import choose

METHODS = ["grad_cam", "ablation_cam", "smooth_grad_cam_pp", "guided_grad_cam"]


def picture(b=2):
    return torch.rand(b, 3, 12, 12, generator=torch.Generator().manual_seed(0)).double()


def rows(net):
    return [(row.names, row.runs, row.calls, row.call) for row in layers(net, picture())]


def test_each_run_is_a_row():
    assert rows(Plain().double().eval()) == [
        (["one"], [0], 1, -1),
        (["act"], [0], 3, 0),
        (["two"], [0], 1, -1),
        (["act"], [1], 3, -1),  # the last run with a map
    ]


def test_a_run_that_a_container_returned_is_named_by_it():
    found = layers(Blocks().double().eval(), picture())
    names = [row.names for row in found if row.kind == "ReLU"]
    assert names == [["first.act", "first"], ["first.act", "second"], ["first.act", "third"]]
    assert [row.runs for row in found if row.kind == "ReLU"] == [[0, 0], [1, 0], [2, 0]]


@pytest.mark.parametrize(
    ("kind", "layer", "own", "run", "call"),
    [
        (Plain, "act", "acts.1", 1, -1),
        (Bottle, "act", "acts.1", 1, 1),
        (Side, "act", "acts.1", 1, 1),
        (Blocks, "third", "third", 0, -1),
    ],
)
def test_the_layer_that_is_found_is_that_of_the_twin(kind, layer, own, run, call):
    net, twin, x = kind().double().eval(), kind(OWN).double().eval(), picture()
    choice = choose(net, x)
    assert (choice.name, choice.call) == (layer, call)
    found = explain(net, x, 1, METHODS)
    for method, want in explain(twin, x, 1, METHODS).items():
        assert want.layer == own
        torch.testing.assert_close(found[method].maps, want.maps)
        torch.testing.assert_close(found[method].coarse, want.coarse)
    told = found["grad_cam"].provenance["layer"]
    assert (told["name"], told["call"]) == (layer, run)
    assert told["place"]["outcome"] == "confirmed"
    several = "ran 3 times; run 1 (from 0) is explained"
    assert any(several in note for note in found["grad_cam"].provenance["notes"]) == (run == 1)
    (chosen,) = [row for row in layers(net, x) if row.chosen]
    assert (chosen.name, chosen.run) == (layer, run)


@pytest.mark.parametrize("kind", [Plain, Bottle, Side])
@pytest.mark.parametrize("call", [0, 1])
def test_a_run_is_named_by_its_number(kind, call):
    net, twin, x = kind().double().eval(), kind(OWN).double().eval(), picture()
    got = explain(net, x, 1, METHODS, layer="act", call=call)
    for method, want in explain(twin, x, 1, METHODS, layer=f"acts.{call}").items():
        torch.testing.assert_close(got[method].maps, want.maps)
        assert got[method].status[0].word == want.status[0].word


def test_without_a_number_it_is_the_last_run_with_a_map():
    net, x = Plain().double().eval(), picture()
    got = explain(net, x, 1, "grad_cam", layer="act")
    torch.testing.assert_close(got.maps, explain(net, x, 1, "grad_cam", layer="act", call=1).maps)
    assert got.provenance["layer"]["place"]["share"] == 1


def test_a_run_without_a_map_or_that_is_not_there():
    net, x = Plain().double().eval(), picture()
    with pytest.raises(LayerError, match=r"'act' to return feature maps .*\(2, 8\)"):
        explain(net, x, 1, layer="act", call=2)
    with pytest.raises(SurgeryError, match="at least 6 times; it ran 3 times"):
        explain(net, x, 1, layer="act", call=5)

    class Vectors(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.act, self.fc = nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Linear(4, 4)

        def forward(self, x):
            return self.act(self.fc(self.act(self.conv(x).mean((2, 3)))))

    with pytest.raises(LayerError, match="'act' to return feature maps"):
        explain(Vectors().double().eval(), x, 1, layer="act")


@pytest.mark.parametrize("kind", [Plain, Bottle, Side])
def test_what_is_measured_is_measured_of_the_same_run(kind):
    found = []
    for net in (kind().double().eval(), kind(OWN).double().eval()):
        run = evaluate(
            net, [picture(3)], ["grad_cam"], ["average_drop", "sensitivity"],
            protocol=Protocol(samples=2), progress=False,
        )  # fmt: skip
        found.append([run.column(name) for name in ("average_drop", "sensitivity")])
    for got, want in zip(*found, strict=True):
        np.testing.assert_allclose(np.asarray(got, float), np.asarray(want, float), rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [Bottle, Side])
def test_the_layers_beside_it(kind):
    found = compare_layers(kind().double().eval(), [picture(3)], progress=False)
    twin = compare_layers(kind(OWN).double().eval(), [picture(3)], progress=False)
    own = next(one for one in found if one.place == 0)
    assert own.layer == "act"
    want = next(one for one in twin if one.place == 0)
    assert own.order.estimate == pytest.approx(want.order.estimate)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [Bottle, Side])
def test_concepts_and_explainers(kind):
    net, twin, x = kind().double().eval(), kind(OWN).double().eval(), picture()
    got, want = factorise(net, x, 2), factorise(twin, x, 2)
    torch.testing.assert_close(got.coarse, want.coarse)
    torch.testing.assert_close(exportable(net, images=x)(x), exportable(twin, images=x)(x))


@pytest.mark.slow
@pytest.mark.parametrize("build", [resnet18, resnet50])
def test_blocks_whose_last_run_is_their_output_keep_their_names(build):
    with NoDrawing():
        net = lively(build())
    found = layers(net, torch.rand(1, 3, 128, 128))
    assert found[-2].names[1:] == [f"layer4.{1 if build is resnet18 else 2}", "layer4"] or (
        found[-1].names[1:] == [f"layer4.{1 if build is resnet18 else 2}", "layer4"]
    )
    assert choose(net, torch.rand(1, 3, 128, 128)).name == "layer4"
    inner = [row for row in found if row.name == "layer4.1.relu"]
    assert [(row.run, row.call) for row in inner] == (
        [(0, 0)] if build is resnet18 else [(0, 0), (1, 1)]
    )
