"""A model that explains itself gives what `explain` does, or says what it cannot give."""

import pytest
import torch
from torch import Tensor, nn

from helpers.explainers import Narrow, Normed, Tokens, agree, noise
from helpers.nets import assert_same, batch, convnet, photograph
from sightline import METHODS, exportable
from sightline.errors import ImageError, MethodError, SurgeryError, TargetError

ONE_PASS = (
    "grad_cam",
    "grad_cam_pp",
    "grad_cam_plus",
    "hires_cam",
    "layer_cam",
    "xgrad_cam",
    "grad_cam_pp_sigmoid",
)
HEAD_ONLY = ("cam", "grad_cam_pp_softmax", "grad_cam_pp_log_softmax")


# In Python


@pytest.mark.parametrize("method", [*ONE_PASS, *HEAD_ONLY])
def test_behind_a_pooled_linear_head_every_method_is_closed_form(method):
    model, images = convnet(), batch()
    explainer = exportable(model, method=method, images=images, coarse=True)
    assert explainer.way == "head"
    agree(explainer, model, images, explainer(images))


@pytest.mark.slow
@pytest.mark.parametrize("method", ONE_PASS)
def test_behind_any_other_head_the_look_back_is_written_down(method):
    model, images = convnet(head="fc", inplace=True), batch()
    explainer = exportable(model, method=method, images=images, coarse=True)
    assert explainer.way == "tail"
    agree(explainer, model, images, explainer(images))
    agree(explainer, model, images[:1], explainer(images[:1]))


@pytest.mark.slow
def test_any_size_where_the_model_allows_it():
    for model in (convnet(), Normed().eval()):
        explainer = exportable(model, images=noise(1, 24, 24), any_size=True, coarse=True)
        for size in ((24, 24), (31, 40), (50, 26)):
            images = noise(3, *size)
            agree(explainer, model, images, explainer(images))


@pytest.mark.slow
@pytest.mark.parametrize("model", [convnet(head="fc"), Tokens().eval(), Narrow().eval()])
def test_any_size_is_refused_where_the_model_does_not(model):
    layer = {Narrow: "body", Tokens: "mix"}.get(type(model))
    size = (12, 10) if isinstance(model, nn.Sequential) else (20, 24)
    with pytest.raises(
        SurgeryError, match=r"pictures of any size; .* does not hold for .* Leave any_size out"
    ):
        exportable(model, layer, images=noise(1, *size), any_size=True)


def test_a_pool_over_a_fixed_window_is_global_for_one_size_only():
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 4, 1), nn.ReLU(), nn.AvgPool2d(8), nn.Flatten(), nn.LazyLinear(3)
    ).eval()
    model(noise(1, 8, 8))
    assert exportable(model, "1", images=noise(1, 8, 8)).way == "head"
    with pytest.raises(SurgeryError, match="Leave any_size out"):
        exportable(model, "1", images=noise(1, 8, 8), any_size=True)


@pytest.mark.slow
def test_the_model_stays_as_it_is_and_shares_its_weights():
    for head in ("pool", "fc"):
        model, images = convnet(head=head).train(), batch()
        model[0].weight.requires_grad_(False)
        before = photograph(model)
        explainer = exportable(model, images=images)
        explainer(images)
        assert_same(before, photograph(model))
        with torch.no_grad():
            model[0].weight.mul_(-1.5)
        agree(explainer, model.eval(), images, explainer(images))


def test_a_layer_that_runs_twice_is_taken_at_the_run_asked_for():
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(1)
            self.same, self.act, self.head = (
                nn.Conv2d(3, 3, 3, padding=1),
                nn.SiLU(),
                nn.Linear(3, 4),
            )

        def forward(self, images: Tensor) -> Tensor:
            return self.head(self.act(self.same(self.act(self.same(images)))).mean((2, 3)))

    model, images = Twice().eval(), noise(2, 12, 12)
    for call in (0, 1):
        explainer = exportable(model, "act", images=images, call=call, coarse=True)
        assert explainer.way == ("tail", "head")[call]
        agree(explainer, model, images, explainer(images), call=call)


# What cannot be


@pytest.mark.parametrize(
    "method", [name for name in METHODS if name not in (*ONE_PASS, *HEAD_ONLY)]
)
def test_a_method_that_takes_more_than_one_pass_is_refused_or_right(method):
    model, images = convnet(), batch()
    try:
        explainer = exportable(model, method=method, images=images)
    except MethodError as error:
        assert "Take grad_cam_pp" in str(error)  # noqa: PT017
        return
    agree(explainer, model, images, explainer(images))


@pytest.mark.parametrize("method", HEAD_ONLY)
def test_what_needs_every_class_is_refused_behind_other_heads(method):
    with pytest.raises(
        MethodError,
        match="behind a pooled linear head only; Sequential has something else behind '5'",
    ):
        exportable(convnet(head="fc"), method=method, images=batch())


@pytest.mark.parametrize(
    ("asked", "error", "says"),
    [
        ({"method": "gradient"}, MethodError, "looks back to the pixels"),
        ({"method": "guided_grad_cam"}, MethodError, "looks back to the pixels"),
        ({"method": ["cam", "grad_cam"]}, MethodError, "Expected one method; got a list"),
        ({"target": "zebra"}, TargetError, "class names are not known"),
        ({"target": 5}, TargetError, "Expected a class from 0 to 4"),
        (
            {"target": torch.tensor([1])},
            TargetError,
            "target='given' takes classes as a second input",
        ),
        ({"images": torch.zeros(3, 12, 10)}, ImageError, r"got torch.float32 \[3, 12, 10\]"),
        (
            {"images": torch.zeros(1, 3, 12, 10, dtype=torch.uint8)},
            ImageError,
            "Expected a float tensor",
        ),
    ],
)
def test_what_cannot_be_exported_is_told(asked, error, says):
    with pytest.raises(error, match=says):
        exportable(convnet(), **{"images": batch(), **asked})
