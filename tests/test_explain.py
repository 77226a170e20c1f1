"""The path from end to end: what is asked, by which names, at which cost, and how the answers are arranged."""

import re
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn

import sightline
from closeness import assert_near
from nets import batch, convnet, short
from sightline import METHODS, PIXELSPACE, explain
from sightline.errors import LayerError, MethodError, ModelError, RequestError, SurgeryError, TargetError
from sightline.methods import grad_cam_pp
from sightline.supply import requests
from sightline.surgery import Trace, capture
from sightline.targets import Target

NAMES = ["tabby, tabby cat", "tiger cat", "lens cap", "crane", "cup"]


def test_left_alone_it_explains_the_predicted_class_at_the_last_feature_map_by_grad_cam_pp():
    net, x = convnet(head="fc"), batch()
    e = explain(net, x)
    with torch.no_grad():
        logits = net(x)
    assert [target.index for target in e.targets] == logits.argmax(1).tolist()
    assert torch.equal(e.scores, logits.amax(1))
    torch.testing.assert_close(e.probabilities, logits.softmax(1).amax(1))
    assert (e.method, e.layer) == ("grad_cam_pp", "5")
    assert e.layer_reason == "the last feature map (8 channels, 12 x 10 places)"
    assert (e.maps.shape, e.coarse.shape, e.several) == ((3, 12, 10), (3, 12, 10), False)
    trace = capture(net, x, "5")
    (gradients,) = trace.gradients(trace.outputs.amax(1))
    weights = grad_cam_pp(trace.activations, gradients)
    assert_near(e.coarse, (weights * trace.activations).sum(1), 1e-6)


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
    several = explain(net, x, [lambda out: out[:, 3], lambda out: out[:, 3] - out[:, 0]], "grad_cam")
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
    e, plain = explain(Wraps(wrap).eval(), x, [1, 2], method), explain(convnet(head="fc"), x, [1, 2], method)
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
    torch.testing.assert_close(e.probabilities, torch.stack([logit.sigmoid(), (-logit).sigmoid()], 1))
    against = explain(net, x, 1, "grad_cam", counterfactual=True)
    assert_near(against.coarse, e.coarse[:, 1], 1e-6)


def test_a_sigmoid_card_gives_each_class_its_own_confidence():
    net, x = convnet(), batch()
    sightline.describe(net, sightline.Card("mine", None, sightline.Preprocess(), None, "me", outputs="sigmoid"))
    e = explain(net, x, [0, 1])
    torch.testing.assert_close(e.probabilities, net(x)[:, :2].sigmoid().detach())


@pytest.mark.parametrize(
    ("spelled", "name"),
    [
        ("grad_cam_pp", "grad_cam_pp"),
        ("gradcam++", "grad_cam_pp"),
        ("Grad-CAM++", "grad_cam_pp"),
        ("GradCAM", "grad_cam"),
        ("LayerCAM", "layer_cam"),
        ("XGrad-CAM", "xgrad_cam"),
        ("HiResCAM", "hires_cam"),
        ("CAM", "cam"),
        ("Saliency", "gradient"),
        ("guided backpropagation", "guided_backprop"),
        ("Guided Grad-CAM++", "guided_grad_cam_pp"),
        ("guided_gradcam", "guided_grad_cam"),
        ("Guided LayerCAM", "guided_layer_cam"),
    ],
)
def test_methods_answer_to_the_names_people_use(spelled, name):
    e = explain(convnet(), batch(), 1, spelled)
    assert e.method == name
    assert list(explain(convnet(), batch(), 1, [spelled])) == [name]


@pytest.mark.parametrize("name", [*METHODS, *[name for name in PIXELSPACE if name != "guided_cam"]])
def test_every_method_in_the_tables_runs(name):
    e = explain(convnet(), batch(), 1, name)
    assert (e.method, e.maps.shape) == (name, (3, 12, 10))
    assert torch.equal(e.maps.amax((1, 2)), torch.ones(3))


def test_options_reach_the_method():
    net, x = convnet(head="fc"), batch()
    trace = capture(net, x, "5")
    (gradients,) = trace.gradients(trace.outputs[:, 1])
    for alpha in ("paper", "authors"):
        weights = grad_cam_pp(trace.activations, gradients, alpha=alpha)
        e = explain(net, x, 1, alpha=alpha)
        assert_near(e.coarse, (weights * trace.activations).sum(1), 1e-5)
        assert e.variant["alpha"] == alpha
    paper, authors = explain(net, x, 1), explain(net, x, 1, alpha="authors")
    assert not torch.allclose(paper.coarse, authors.coarse, rtol=1e-2)


@pytest.mark.parametrize("score", ["exp", "softmax", "log_softmax", "sigmoid"])
def test_the_score_picks_the_form(score):
    net, x = convnet(head="fc"), batch()
    form = "grad_cam_pp" if score == "exp" else f"grad_cam_pp_{score}"
    for method in ("grad_cam_pp", "guided_grad_cam_pp", form):
        e = explain(net, x, 1, method, score=score)
        assert e.method == ("guided_" if method.startswith("guided") else "") + form
        assert torch.equal(e.maps, explain(net, x, 1, e.method).maps)


def test_an_option_goes_to_the_methods_that_know_it():
    net, x = convnet(head="fc"), batch()
    found = explain(net, x, 1, ["grad_cam", "grad_cam_pp"], score="softmax", alpha="authors")
    assert list(found) == ["grad_cam", "grad_cam_pp_softmax"]
    assert torch.equal(found["grad_cam"].maps, explain(net, x, 1, "grad_cam").maps)
    assert found["grad_cam_pp_softmax"].variant["alpha"] == "authors"
    assert "alpha" not in found["grad_cam"].variant


def test_the_caller_gets_a_dict_by_what_was_a_list():
    net, x = convnet(), batch()
    assert isinstance(explain(net, x, 1), sightline.Explanation)
    assert list(explain(net, x, 1, ["layer_cam", "grad_cam"])) == ["layer_cam", "grad_cam"]
    assert list(explain(net, x, 1, layer=["5", "2"])) == ["5", "2"]
    assert list(explain(net, x, 1, ["grad_cam"], ["2"])) == [("grad_cam", "2")]
    both = explain(net, x, 1, ["guided_grad_cam", "grad_cam_pp"], layer=["5", "2"])
    assert set(both) == {(m, s) for m in ("guided_grad_cam", "grad_cam_pp") for s in ("5", "2")}
    for (method, layer), e in both.items():
        assert (e.method, e.layer) == (method, layer)
        assert_near(e.maps, explain(net, x, 1, method, layer).maps, 1e-6)


def test_a_layer_is_a_name_a_module_or_a_function():
    net, x = convnet(), batch()
    want = explain(net, x, 1, layer="2")
    for layer in (net[2], lambda model: model[2]):
        e = explain(net, x, 1, layer=layer)
        assert (e.layer, e.layer_reason) == ("2", "named by the caller")
        assert torch.equal(e.maps, want.maps)
    assert list(explain(net, x, 1, layer=[net[5], "2", lambda model: model[3]])) == ["5", "2", "3"]


@pytest.mark.parametrize("wrap", [nn.DataParallel, torch.compile])
def test_wrappers_are_taken_off(wrap):
    net, x = convnet(), batch()
    e = explain(wrap(net), x, 1)
    assert (e.layer, e.provenance["model"]["class"]) == ("5", "Sequential")
    assert torch.equal(e.maps, explain(net, x, 1).maps)


@pytest.fixture
def counted():
    """A network that counts its runs; the layer was chosen before."""
    net, runs = convnet(), []
    explain(net, batch(), 1)
    explain(net, batch(), 1, ["cam", "grad_cam_pp_softmax"])  # the head behind the layer is looked for once, too
    net.register_forward_hook(lambda *_: runs.append(1))
    return net, runs


ONE_RUN = [name for name in METHODS if {"look", "look_back", "noisy_gradients"}.isdisjoint(requests(METHODS[name]))]
"""Methods that do not look at masked pictures."""


@pytest.mark.parametrize(
    ("asked", "forwards"),
    [
        ({}, 1),
        ({"target": "top5"}, 1),
        ({"target": [0, 1, 2, 3, 4]}, 1),
        ({"method": ONE_RUN, "target": [0, 1]}, 1),
        ({"method": "ablation_cam", "target": [0, 1]}, 1),  # behind a pooled linear head nothing runs again
        ({"layer": ["0", "2", "5"]}, 1),
        ({"layer": ["2", "5"], "method": ["grad_cam", "layer_cam"], "target": "top3", "counterfactual": True}, 1),
        ({"method": "gradient"}, 1),
        ({"method": ["gradient", "guided_backprop", "deconvnet"], "target": "top3"}, 1),
        ({"method": "guided_grad_cam_pp"}, 2),
        ({"method": [*ONE_RUN, "gradient", "guided_grad_cam", "guided_layer_cam"], "target": "top3"}, 2),
    ],
    ids=short,
)
def test_everything_asked_at_once_shares_one_forward_and_pixels_take_one_more(counted, asked, forwards):
    net, runs = counted
    explain(net, batch(), **asked)
    assert len(runs) == forwards


def test_only_the_very_first_call_searches():
    net, runs = convnet(), []
    net.register_forward_hook(lambda *_: runs.append(1))
    counts = []
    for x in (batch(), batch(), batch(b=1), batch(seed=9)):
        runs.clear()
        explain(net, x)
        counts.append(len(runs))
    assert counts[0] > 1
    assert counts[1:] == [1, 1, 1]


def test_a_method_that_asks_for_no_gradients_costs_none(monkeypatch):
    net, x, looked = convnet(), batch(), []
    want = explain(net, x, [1, 2], ["cam", "grad_cam"])["cam"]
    gradients = Trace.gradients
    monkeypatch.setattr(Trace, "gradients", lambda *args: looked.append(1) or gradients(*args))
    assert torch.equal(explain(net, x, [1, 2], "cam").maps, want.maps)
    assert looked == []
    explain(net, x, [1, 2], ["grad_cam", "layer_cam", "xgrad_cam"], layer=["2", "5"])
    assert looked == [1]  # one look back, for all methods, classes and layers


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"method": "grad_cam3"}, MethodError, r"no method 'grad_cam3'. Near names: 'grad_cam'"),
        ({"method": "guided_nonsense"}, MethodError, r"'nonsense'. On offer: 'cam'"),
        ({"method": []}, MethodError, "at least one method; got an empty list"),
        ({"layer": []}, LayerError, "at least one layer; got an empty list. Leave layer= out"),
        ({"layer": "5", "call": -7}, SurgeryError, "or -1 for the last; got call=-7"),
        ({"classes": "tabby"}, TargetError, "one each; got the text 'tabby'. To ask for one class write target="),
        ({"classes": NAMES[:3]}, TargetError, "Expected 5 class names, one for each.*; got 3"),
        ({"classes": []}, TargetError, "Expected 5 class names.*; got 0"),
        ({"classes": NAMES[:3], "target": 0}, TargetError, "Expected 5 class names.*; got 3"),
        ({"alfa": "paper"}, MethodError, r"\(grad_cam_pp\) has an option 'alfa'. Near names: 'alpha'"),
        ({"alpha": "papr"}, MethodError, r"not 'papr'. Near names: 'paper'"),
        ({"method": "grad_cam", "alpha": "paper"}, MethodError, r"\(grad_cam\) has an option 'alpha'. They have none"),
        ({"method": "gradient", "alpha": "paper"}, MethodError, "has an option 'alpha'"),
        ({"score": "sofmax"}, MethodError, r"came 'sofmax'. Near names: 'softmax'"),
        ({"method": "grad_cam", "score": "softmax"}, MethodError, r"grad_cam_pp has forms.*asked for: grad_cam with"),
        ({"method": "grad_cam_pp_softmax", "score": "sigmoid"}, MethodError, "Only grad_cam_pp has forms"),
        ({"tally": print}, MethodError, "has an option 'tally'"),
        ({"layer": "layr"}, LayerError, "Sequential has no layer 'layr'"),
        ({"layer": "55"}, LayerError, "Near names: '5'"),
        ({"layer": nn.ReLU()}, LayerError, "the ReLU given is not part of it"),
        ({"layer": "7"}, LayerError, r"it returned \(3, 8\).*grid=lambda"),
        ({"layer": "5", "call": 2}, SurgeryError, "at least 3 times; it ran 1 times"),
        ({"layer": "5", "grid": (3, 3)}, LayerError, r"grid \(3, 3\) that you named"),
        ({"layer": "5", "grid": lambda out: out[:1]}, LayerError, r"as 3 feature maps \[b, c, s, s\].*reads \(1, 8"),
        ({"target": 5}, TargetError, r"from 0 to 4 \(the model has 5 outputs\); got 5"),
        ({"target": "tabby"}, TargetError, "names are not known"),
        ({"target": "tabbi", "classes": NAMES}, TargetError, "Near names: 'tabby'"),
        ({"target": lambda out: out}, TargetError, r"a tensor \[3\]; it gave \(3, 5\)"),
        ({"target": torch.tensor([1, 2])}, TargetError, r"each of the 3 images.*got \(2,\)"),
        ({"target": lambda out: out[:, 0], "method": "cam"}, MethodError, "a class to explain; the target is a fun"),
        ({"target": lambda out: out[:, 0], "score": "softmax"}, MethodError, "the target is a function of the outputs"),
    ],
    ids=short,
)  # fmt: skip
def test_what_cannot_be_done_is_said_in_three_parts(options, error, message):
    with pytest.raises(error, match=message):
        explain(convnet(), batch(), **options)


def test_a_range_asks_for_its_classes():
    e = explain(convnet(), batch(), range(1, 4))
    assert [target.index for target in e.targets[0]] == [1, 2, 3]


class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = convnet()

    def forward(self, x, y):
        return self.net(x) + y


@pytest.mark.parametrize(
    ("model", "inputs", "error", "note"),
    [
        (
            convnet().half(),
            batch(),
            RuntimeError,
            r"on float32 \[1, 3, 12, 10\] on cpu.*weights in torch.float16 on cpu",
        ),
        (convnet(), torch.rand(1, 4, 12, 10), RuntimeError, r"\[1, 4, 12, 10\].*3 channels in its first convolution"),
        (Two(), batch(), TypeError, r"forward\(x, y\).*several inputs as a tuple or a mapping"),
        (Two(), {"x": batch(), "z": torch.ones(5)}, TypeError, r"x=float32 .*z=float32 \[5\].*forward\(x, y\)"),
    ],
    ids=["half", "channels", "missing", "misnamed"],
)
def test_an_error_of_the_models_own_says_what_it_was_given_and_what_it_wants(model, inputs, error, note):
    with pytest.raises(error) as caught:
        explain(model, inputs)
    assert len(caught.value.__notes__) == 1
    assert re.search(note, caught.value.__notes__[0])


def test_a_guided_product_carries_its_cams_counts():
    found = explain(convnet(), batch(), [1, 0], ["grad_cam_pp", "guided_grad_cam_pp"], score="softmax")
    plain, product = ([[status.counts for status in row] for row in one.status] for one in found.values())
    assert plain == product
    assert any(counts["guarded"] for row in plain for counts in row)
    assert explain(convnet(), batch(), 1, "guided_grad_cam_pp").status[0].counts == {"clamped": 0}


def test_a_single_logit_has_no_softmax():
    with pytest.raises(MethodError, match=r"the target is a single logit. Take score='exp', or score='sigmoid'"):
        explain(convnet(classes=1), batch(), score="softmax")
    assert explain(convnet(classes=1), batch(), score="sigmoid").method == "grad_cam_pp_sigmoid"


def test_cam_needs_its_head():
    with pytest.raises(LayerError, match=r"CAM needs a network whose outputs are one linear layer.*method='grad_cam'"):
        explain(convnet(head="fc"), batch(), 1, "cam")


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_a_model_that_cannot_be_opened_is_refused():
    # Only a ReLU is scripted: torch knows its functions by their addresses, and can take a convolution's list for one.
    with pytest.raises(ModelError, match=r"is TorchScript.*Pass the Python model"):
        explain(torch.jit.trace(convnet(), batch(), check_trace=False), batch())
    with pytest.raises(ModelError, match=r"module; 0 is TorchScript"):
        explain(nn.Sequential(torch.jit.script(nn.ReLU()), convnet()), batch())
    with torch.device("meta"), pytest.raises(ModelError, match=r"on the meta device.*Load a checkpoint"):
        explain(nn.Sequential(nn.Conv2d(3, 4, 3)), batch())


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


def test_a_method_of_ones_own_can_be_added_and_a_typo_in_its_requests_is_told(monkeypatch):
    monkeypatch.setitem(METHODS, "mine", lambda gradient: gradient)
    monkeypatch.setitem(METHODS, "yours", lambda gradients, *, power=1: gradients**power)
    with pytest.raises(RequestError, match=r"asks for 'gradient'. Did you mean 'gradients'"):
        explain(convnet(), batch(), 1, "mine")
    e = explain(convnet(), batch(), 1, "yours", power=2)
    trace = capture(convnet(), batch(), "5")
    (gradients,) = trace.gradients(trace.outputs[:, 1])
    assert_near(e.coarse, (gradients**2 * trace.activations).sum(1), 1e-6)


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.act, self.fc = nn.Conv2d(3, 3, 3, padding=1), nn.ReLU(), nn.Linear(3, 4)

    def forward(self, x):
        for _ in range(2):
            x = self.act(self.conv(x))
        return self.fc(x.mean((2, 3)))


@pytest.mark.parametrize("method", ["grad_cam_pp", "grad_cam_pp_softmax"])
def test_the_run_of_a_layer_that_was_asked_for_is_explained(method):
    """Also by methods that know a short cut where the head stands behind the last run."""
    net, x = Twice().eval(), batch()

    class Unrolled(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second, self.net = nn.Identity(), nn.Identity(), net

        def forward(self, x):
            y = self.first(net.act(net.conv(x)))
            return net.fc(self.second(net.act(net.conv(y))).mean((2, 3)))

    for call, layer in ((0, "first"), (1, "second"), (-1, "second")):
        mine = explain(net, x, 1, method, layer="act", call=call)
        assert_near(mine.coarse, explain(Unrolled().eval(), x, 1, method, layer=layer).coarse, 1e-5)
    with pytest.raises(LayerError, match="CAM needs"):
        explain(net, x, 1, "cam", layer="act", call=0)


def test_a_stated_grid_reads_what_cannot_be_inferred():
    class Odd(nn.Module):
        """60 tokens behind the 30 of the grid."""

        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.patch, self.keep, self.head = nn.Conv2d(3, 4, 2, 2), nn.Identity(), nn.Linear(4, 5)

        def forward(self, x):
            y = self.patch(x).flatten(2).transpose(1, 2)
            return self.head(self.keep(torch.cat([y, y.new_ones(len(y), 60, 4)], 1)).mean(1))

    net, x = Odd().eval(), batch()
    read = lambda out: out[:, :30].unflatten(1, (6, 5)).movedim(-1, 1)  # noqa: E731
    found = explain(net, x, 0, ["grad_cam", "grad_cam_pp_softmax"], layer="keep", grid=read)
    want = explain(net, x, 0, ["grad_cam", "grad_cam_pp_softmax"], layer="patch")
    for name, e in found.items():
        assert_near(e.coarse, want[name].coarse, 1e-5)
        assert e.maps.shape == (3, 12, 10)


@pytest.mark.parametrize("method", ["full_grad", "rise", "guided_backprop", ["gradient", "occlusion"]])
def test_a_layer_named_where_none_is_opened_is_refused(method):
    with pytest.raises(
        LayerError, match=r"Expected no layer for \w+.*: no layer is opened; got 'nosuch'. Leave layer="
    ):
        explain(convnet(), batch(), 1, method, layer="nosuch")
    assert explain(convnet(), batch(), 1, ["gradient", "grad_cam"], layer="2")["grad_cam"].layer == "2"


@pytest.mark.parametrize("name", ["full_grad", "rise", "deconvnet"])
def test_only_a_map_of_a_layer_has_a_guided_product(name):
    with pytest.raises(MethodError, match=rf"guided_ before the name of a map of a layer; {name} is none"):
        explain(convnet(), batch(), 1, f"guided_{name}")


def test_a_guided_product_tells_what_its_map_tells():
    notes = explain(convnet(), batch(), [1, 2], "guided_eigen_cam").provenance["notes"]
    assert [note for note in notes if "class-agnostic" in note]
    assert [note for note in notes if "backward rule" in note]
