"""Looking back to the pixels: the slow twin's numbers by each rule, in each dtype, or an error that
says why not.
"""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from helpers.backward import FIRST, RULES, look
from helpers.closeness import assert_near
from helpers.nets import batch, convnet
from reference import guided as slowly
from sightline.errors import MethodError, SurgeryError
from sightline.surgery.pixel_trace import PixelTrace, capture_pixels


def small(axes: int) -> tuple[nn.Sequential, Tensor, list]:
    """A pooled ReLU network in float64, its input, and itself for the slow twin."""
    torch.manual_seed(axes + 3)
    conv = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}[axes]
    pool = {1: nn.AdaptiveAvgPool1d, 2: nn.AdaptiveAvgPool2d, 3: nn.AdaptiveAvgPool3d}[axes]
    net = nn.Sequential(
        conv(2, 4, 3, padding=1),
        nn.ReLU(True),
        conv(4, 3, 3, padding=1),
        nn.ReLU(),
        pool(1),
        nn.Flatten(),
        nn.Linear(3, 6),
        nn.ReLU(True),
        nn.Linear(6, 3),
    ).double()
    w = [p.detach().numpy() for p in net.parameters()]
    steps = [
        ("conv", *w[:2]),
        ("act", "relu"),
        ("conv", *w[2:4]),
        ("act", "relu"),
        ("mean",),
        ("linear", *w[4:6]),
        ("act", "relu"),
        ("linear", *w[6:]),
    ]
    return (
        net,
        torch.randn(2, 2, *{1: (7,), 2: (4, 5), 3: (3, 2, 4)}[axes], dtype=torch.float64),
        steps,
    )


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_the_slow_twins_pixels(axes, rule):
    net, x, steps = small(axes)
    want = torch.stack(
        [torch.from_numpy(slowly.backwards(steps, one.numpy(), 1, rule)) for one in x]
    )
    pixels, governed = capture_pixels(net, x).gradients(FIRST, rule)
    assert_near(pixels, want, 1e-12)
    assert governed == ({"ReLU": 3} if rule else {})


@pytest.mark.parametrize("rule", RULES)
def test_several_questions_are_each_their_own(rule):
    """The rules are not linear: one question must not leak into another, nor one image."""
    net, x = convnet(head="fc"), batch()
    trace = capture_pixels(net, x)
    together, governed = trace.gradients(trace.outputs.T, rule)
    assert together.shape == (5, *x.shape)
    assert governed == ({"ReLU": 3} if rule else {})
    for k in range(5):
        assert_near(together[k], look(net, x, rule, lambda outputs, k=k: outputs[:, k]), 1e-6)
    alone = torch.stack([look(net, one[None], rule)[0] for one in x])
    assert_near(together[1], alone, 1e-5)


def test_a_transposed_view_and_single_rows_are_questions_too():
    trace = capture_pixels(convnet(), batch())
    one, _ = trace.gradients(trace.outputs[:, 1], "guided")
    row, _ = trace.gradients(trace.outputs.T[1:2], "guided")
    assert torch.equal(row[0], one)
    assert row.shape == (1, *one.shape)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("head", ["pool", "fc"])
def test_in_place_layers_and_others_agree(head, rule):
    x = batch()
    assert torch.equal(
        look(convnet(head=head, inplace=True), x, rule), look(convnet(head=head), x, rule)
    )


@pytest.mark.parametrize("rule", ["guided", "deconvnet"])
def test_an_in_place_first_layer_writes_over_a_copy(rule):
    net = nn.Sequential(nn.ReLU(inplace=True), convnet()).eval()
    x = batch()
    before = x.clone()
    got = look(net, x, rule)
    assert torch.equal(x, before)
    assert (x._version, x.requires_grad, x.grad) == (0, False, None)
    assert torch.equal(got, look(nn.Sequential(nn.ReLU(), convnet()).eval(), x, rule))
    assert torch.equal(got[x <= 0], torch.zeros_like(got[x <= 0])) == (rule == "guided")


class Switching(nn.Module):
    """Turns a mode on for its first layers."""

    def __init__(self, mode):
        super().__init__()
        self.net, self.mode = convnet(), mode

    def forward(self, x):
        with self.mode():
            x = self.net[:3](x)
        return self.net[3:](x)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("frozen", [True, False])
@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_a_no_grad_inside_the_model_is_an_error_that_says_so(mode, frozen, rule):
    net = Switching(mode).requires_grad_(not frozen)
    with pytest.raises(
        SurgeryError, match=r"scores that depend on the pixels; those of Switching do not.*no_grad"
    ):
        look(net, batch(), rule)


def test_other_errors_of_the_model_are_its_own():
    with pytest.raises(RuntimeError, match="expected input"):
        capture_pixels(convnet(), torch.zeros(1, 7, 12, 10))


def test_scores_from_elsewhere_do_not_depend_on_the_pixels():
    trace = capture_pixels(convnet(), batch())
    with pytest.raises(SurgeryError, match="those of Sequential do not"):
        trace.gradients(torch.ones(3, requires_grad=True) * 2, "guided")
    with pytest.raises(SurgeryError, match="those of Sequential do not"):
        trace.gradients(trace.outputs.detach().T)


def test_nothing_to_govern_is_an_error_that_says_what_there_is():
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.Tanh(), nn.Conv2d(4, 4, 3), nn.Tanh(), nn.Sigmoid(), nn.Flatten()
    )
    trace = capture_pixels(net, batch())
    with pytest.raises(MethodError) as raised:
        trace.gradients(FIRST, "guided")
    assert (
        str(raised.value)
        == "Expected a rectifier or a smooth gate for the guided rule between the scores and the"
        " pixels; Sequential has none (activations left alone: 1 sigmoid, 2 tanh). Take"
        " method='gradient', which needs none, or use torch's own functions in the model:"
        " F.relu(x), F.silu(x)."
    )
    assert trace.gradients(FIRST)[1] == {}
    with pytest.raises(MethodError, match="left alone: no other that is known"):
        look(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten()), batch(), "deconvnet")


def test_a_swish_written_out_keeps_its_derivative_and_is_not_counted():
    class Written(nn.Module):
        def forward(self, x):
            x = F.relu(x * x.sigmoid())
            return x.flatten(1)

    pixels, governed = capture_pixels(Written(), batch(dtype=torch.float64)).gradients(
        FIRST, "guided"
    )
    assert governed == {"ReLU": 1}
    x = batch(dtype=torch.float64)[:, 0, 0, 1]
    want = torch.where(x > 0, x.sigmoid() * (1 + x * (1 - x.sigmoid())), 0)
    assert_near(pixels[:, 0, 0, 1], want, 1e-12)


def test_an_unknown_rule_and_what_is_no_picture():
    trace = capture_pixels(convnet(), batch())
    with pytest.raises(MethodError, match=r"came 'deconv'. Near names: 'deconvnet'"):
        trace.gradients(FIRST, "deconv")
    with pytest.raises(SurgeryError, match="an input with spatial axes"):
        capture_pixels(convnet(), torch.zeros(3, 4))


class RunRequest(nn.Module):
    """A picture and a question."""

    def __init__(self):
        super().__init__()
        self.net = convnet()

    def forward(self, question, picture=None, *, scale=1.0):
        return self.net(picture) * scale + question[:, None]


@pytest.mark.parametrize("rule", RULES)
def test_the_picture_is_found_among_the_arguments(rule):
    x, question = batch(), torch.arange(3)
    want = look(convnet(), x, rule)
    assert torch.equal(look(RunRequest(), (question, x), rule), want)
    assert torch.equal(look(RunRequest(), {"question": question, "picture": x}, rule), want)
    assert_near(
        look(RunRequest(), {"question": question, "picture": x, "scale": 3.0}, rule), want * 3, 1e-6
    )


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_models_give_float32_pixels(dtype, rule):
    net, x = convnet(head="fc"), batch()
    got = look(copy.deepcopy(net).to(dtype), x.to(dtype), rule)
    want = look(net, x, rule)
    assert got.dtype == torch.float32
    assert torch.corrcoef(torch.stack([got.flatten(), want.flatten()]))[0, 1] > 0.99


@pytest.mark.parametrize("rule", RULES)
def test_what_overflows_fp16_on_the_way_is_computed_from_a_smaller_score(rule):
    """Half-way the signal is 4 * 16 * 16 = 1024; times the 1024 that guard against underflow it is
    beyond 65504.
    """
    net = nn.Sequential(
        nn.Conv1d(1, 4, 1),
        nn.ReLU(),
        *[nn.Sequential(nn.Conv1d(4, 4, 1), nn.ReLU()) for _ in range(2)],
        nn.Flatten(),
    )
    with torch.no_grad():
        net[0].weight.fill_(1 / 4096)
        for block in net[2:4]:
            block[0].weight.fill_(16.0)
        for layer in (net[0], net[2][0], net[3][0]):
            layer.bias.zero_()
    pixels, governed = capture_pixels(net.half(), torch.ones(1, 1, 3).half()).gradients(FIRST, rule)
    assert pixels.tolist() == [[[0.0, 1.0, 0.0]]]  # 4 * 1024 / 4096
    assert governed == ({"ReLU": 3} if rule else {})


@pytest.mark.parametrize("rule", RULES)
def test_what_is_not_finite_for_other_reasons_spoils_no_other_image(rule):
    """The root has no derivative at 0."""

    class Root(nn.Module):
        def forward(self, x):
            return F.relu(x.sqrt()).flatten(1)

    x = torch.tensor([[[4.0, 4.0]], [[4.0, 0.0]], [[4.0, 16.0]]])
    got = look(Root(), x, rule)
    assert got[::2].tolist() == [[[0.0, 0.25]], [[0.0, 0.125]]]
    assert not got[1].isfinite().all()


@pytest.mark.parametrize("rule", RULES)
def test_under_autocast(rule):
    want = look(convnet(head="fc"), batch(), rule)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = look(convnet(head="fc"), batch(), rule)
    assert got.dtype == torch.float32
    assert torch.corrcoef(torch.stack([got.flatten(), want.flatten()]))[0, 1] > 0.99


def test_a_trace_says_what_it_is():
    trace = capture_pixels(
        nn.Sequential(nn.Conv1d(2, 2, 1), nn.ReLU(), nn.Flatten()), torch.zeros(1, 2, 3)
    )
    assert isinstance(trace, PixelTrace)
    assert repr(trace).startswith("PixelTrace(outputs=tensor(")
    assert "node" not in repr(trace)
