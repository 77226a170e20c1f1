"""What cannot be explained is said in three parts; a model's own error keeps its words."""

import re

import pytest
import torch
from torch import nn

from helpers.nets import batch, convnet, short
from sightline import explain
from sightline.errors import LayerError, MethodError, ModelError, SurgeryError, TargetError

NAMES = ["tabby, tabby cat", "tiger cat", "lens cap", "crane", "cup"]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"method": "grad_cam3"}, MethodError, r"no method 'grad_cam3'. Near names: 'grad_cam'"),
        ({"method": "guided_nonsense"}, MethodError, r"'guided_nonsense'. On offer: 'cam'"),
        ({"method": []}, MethodError, "at least one method; got an empty list"),
        ({"layer": []}, LayerError, "at least one layer; got an empty list. Leave layer= out"),
        ({"layer": "5", "call": -7}, SurgeryError, "or -1 for the last; got call=-7"),
        ({"classes": "tabby"}, TargetError,
         "one each; got the text 'tabby'. To ask for one class write target="),
        ({"classes": NAMES[:3]}, TargetError, "Expected 5 class names, one for each.*; got 3"),
        ({"classes": []}, TargetError, "Expected 5 class names.*; got 0"),
        ({"classes": NAMES[:3], "target": 0}, TargetError, "Expected 5 class names.*; got 3"),
        ({"alfa": "paper"}, MethodError,
         r"\(grad_cam_pp\) has an option 'alfa'. Near names: 'alpha'"),
        ({"alpha": "papr"}, MethodError, r"not 'papr'. Near names: 'paper'"),
        ({"method": "grad_cam", "alpha": "paper"}, MethodError,
         r"\(grad_cam\) has an option 'alpha'. They have none"),
        ({"method": "gradient", "alpha": "paper"}, MethodError, "has an option 'alpha'"),
        ({"score": "sofmax"}, MethodError, r"came 'sofmax'. Near names: 'softmax'"),
        ({"method": "grad_cam", "score": "softmax"}, MethodError,
         r"grad_cam_pp has forms.*asked for: grad_cam with"),
        ({"method": "grad_cam_pp_softmax", "score": "sigmoid"}, MethodError,
         "Only grad_cam_pp has forms"),
        ({"tally": print}, MethodError, "has an option 'tally'"),
        ({"layer": "layr"}, LayerError, "Sequential has no layer 'layr'"),
        ({"layer": "55"}, LayerError, "Near names: '5'"),
        ({"layer": nn.ReLU()}, LayerError, "the ReLU given is not part of it"),
        ({"layer": "7"}, LayerError, r"it returned \(3, 8\).*grid=lambda"),
        ({"layer": "5", "call": 2}, SurgeryError, "at least 3 times; it ran 1 times"),
        ({"layer": "5", "grid": (3, 3)}, LayerError, r"grid \(3, 3\) that you named"),
        ({"layer": "5", "grid": lambda out: out[:1]}, LayerError,
         r"as 3 feature maps \[b, c, s, s\].*reads \(1, 8"),
        ({"target": 5}, TargetError, r"from 0 to 4 \(the model has 5 outputs\); got 5"),
        ({"target": "tabby"}, TargetError, "names are not known"),
        ({"target": "tabbi", "classes": NAMES}, TargetError, "Near names: 'tabby'"),
        ({"target": lambda out: out}, TargetError, r"a tensor \[3\]; it gave \(3, 5\)"),
        ({"target": torch.tensor([1, 2])}, TargetError, r"each of the 3 images.*got \(2,\)"),
        ({"target": lambda out: out[:, 0], "method": "cam"}, MethodError,
         "a class to explain; the target is a fun"),
        ({"target": lambda out: out[:, 0], "score": "softmax"}, MethodError,
         "the target is a function of the outputs"),
    ],
    ids=short,
)  # fmt: skip
def test_what_cannot_be_done_is_said_in_three_parts(options, error, message):
    with pytest.raises(error, match=message):
        explain(convnet(), batch(), **options)


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
        (
            convnet(),
            torch.rand(1, 4, 12, 10),
            RuntimeError,
            r"\[1, 4, 12, 10\].*3 channels in its first convolution",
        ),
        (Two(), batch(), TypeError, r"forward\(x, y\).*several inputs as a tuple or a mapping"),
        (
            Two(),
            {"x": batch(), "z": torch.ones(5)},
            TypeError,
            r"x=float32 .*z=float32 \[5\].*forward\(x, y\)",
        ),
    ],
    ids=["half", "channels", "missing", "misnamed"],
)
def test_an_error_of_the_models_own_says_what_it_was_given_and_what_it_wants(
    model, inputs, error, note
):
    with pytest.raises(error) as caught:
        explain(model, inputs)
    assert len(caught.value.__notes__) == 1
    assert re.search(note, caught.value.__notes__[0])


def test_a_single_logit_has_no_softmax():
    with pytest.raises(
        MethodError, match=r"the target is a single logit. Take score='exp', or score='sigmoid'"
    ):
        explain(convnet(classes=1), batch(), score="softmax")
    assert explain(convnet(classes=1), batch(), score="sigmoid").method == "grad_cam_pp_sigmoid"


def test_cam_needs_its_head():
    with pytest.raises(
        LayerError,
        match=r"CAM needs a network whose outputs are one linear layer.*method='grad_cam'",
    ):
        explain(convnet(head="fc"), batch(), 1, "cam")


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_a_model_that_cannot_be_opened_is_refused():
    # Only a ReLU is scripted: torch knows its functions by their addresses, and can take a
    # convolution's list for one.
    with pytest.raises(ModelError, match=r"is TorchScript.*Pass the Python model"):
        explain(torch.jit.trace(convnet(), batch(), check_trace=False), batch())
    with pytest.raises(ModelError, match=r"module; 0 is TorchScript"):
        explain(nn.Sequential(torch.jit.script(nn.ReLU()), convnet()), batch())
    with (
        torch.device("meta"),
        pytest.raises(ModelError, match=r"on the meta device.*Load a checkpoint"),
    ):
        explain(nn.Sequential(nn.Conv2d(3, 4, 3)), batch())


@pytest.mark.parametrize(
    "method", ["full_grad", "rise", "guided_backprop", ["gradient", "occlusion"]]
)
def test_a_layer_named_where_none_is_opened_is_refused(method):
    with pytest.raises(
        LayerError,
        match=r"Expected no layer for \w+.*: no layer is opened; got 'nosuch'. Leave layer=",
    ):
        explain(convnet(), batch(), 1, method, layer="nosuch")
    assert (
        explain(convnet(), batch(), 1, ["gradient", "grad_cam"], layer="2")["grad_cam"].layer == "2"
    )


@pytest.mark.parametrize("name", ["full_grad", "rise", "deconvnet"])
def test_only_a_map_of_a_layer_has_a_guided_product(name):
    with pytest.raises(
        MethodError, match=rf"guided_ before the name of a map of a layer; {name} is none"
    ):
        explain(convnet(), batch(), 1, f"guided_{name}")
