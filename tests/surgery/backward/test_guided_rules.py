"""The backward rules of guided backpropagation and deconvnet."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from helpers.closeness import assert_near
from reference import guided as slowly
from sightline.errors import MethodError
from sightline.surgery.backward.guided_rules import GuidedRule, left_alone

CONVS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
SHAPES = {1: (2, 8), 2: (2, 6, 4), 3: (2, 4, 2, 4)}
RULES = ["guided", "deconvnet"]

PRELU = torch.tensor([slowly.PRELU], dtype=torch.float64)
THRESHOLD = lambda x: F.threshold(x, 0.2, -1.0)  # noqa: E731
WAYS = {
    # kind counted, module, functional, in place
    "relu": ("ReLU", nn.ReLU(), F.relu, torch.relu_),
    "relu6": ("ReLU6", nn.ReLU6(), F.relu6, nn.ReLU6(inplace=True)),
    "leaky_relu": ("LeakyReLU", nn.LeakyReLU(), F.leaky_relu, F.leaky_relu_),
    "prelu": ("PReLU", nn.PReLU(dtype=torch.float64), lambda x: torch.prelu(x, PRELU), None),
    "rrelu": ("RReLU", nn.RReLU().eval(), F.rrelu, F.rrelu_),
    "elu": ("ELU", nn.ELU(), F.elu, F.elu_),
    "celu": ("ELU", nn.CELU(2.0), lambda x: torch.celu(x, 2.0), lambda x: F.celu_(x, 2.0)),
    "selu": ("ELU", nn.SELU(), torch.selu, F.selu_),
    "threshold": ("ReLU", nn.Threshold(0.2, -1.0), THRESHOLD, nn.Threshold(0.2, -1.0, True)),
    "silu": ("SiLU", nn.SiLU(), F.silu, nn.SiLU(inplace=True)),
    "gelu": ("GELU", nn.GELU(), F.gelu, None),
    "gelu_tanh": ("GELU", nn.GELU("tanh"), lambda x: F.gelu(x, approximate="tanh"), None),
    "hardswish": ("Hardswish", nn.Hardswish(), F.hardswish, nn.Hardswish(inplace=True)),
    "mish": ("Mish", nn.Mish(), F.mish, nn.Mish(inplace=True)),
    "softplus": ("Softplus", nn.Softplus(), F.softplus, None),
}  # fmt: skip
"""Every governed activation: how it is counted, and how people write it."""

OTHERS = {"tanh": nn.Tanh(), "sigmoid": nn.Sigmoid(), "hardtanh": nn.Hardtanh()}
"""And some that no rule governs."""


class Net(nn.Module):
    """conv-act-max-conv-act-flatten-linear-act-linear, with any callable as its activation;
    float64, random.
    """

    def __init__(self, axes: int, activation, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        places = int(torch.tensor(SHAPES[axes][1:]).div(2, rounding_mode="floor").prod())
        self.first, self.second = CONVS[axes](2, 3, 3, padding=1), CONVS[axes](3, 3, 3, padding=1)
        self.third, self.last = nn.Linear(3 * places, 5), nn.Linear(5, 3)
        self.act, self.pool = activation, {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}[axes]
        self.double().eval()
        with torch.no_grad():
            for weights in self.parameters():
                weights.mul_(2)  # far enough from 0 for every piece of a piecewise activation
            if isinstance(activation, nn.PReLU):
                activation.weight.fill_(slowly.PRELU)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.act(self.first(x)), 2)
        x = self.act(self.second(x)).flatten(1)
        return self.last(self.act(self.third(x)))

    def steps(self, name: str) -> list:
        """The same for the slow twin."""
        weights = {
            k: v.detach().numpy() for k, v in self.named_parameters() if not k.startswith("act")
        }
        pair = lambda layer: (weights[f"{layer}.weight"], weights[f"{layer}.bias"])  # noqa: E731
        return [
            ("conv", *pair("first")),
            ("act", name),
            ("max",),
            ("conv", *pair("second")),
            ("act", name),
            ("flatten",),
            ("linear", *pair("third")),
            ("act", name),
            ("linear", *pair("last")),
        ]


def images(axes: int, b: int = 2, seed: int = 5) -> Tensor:
    return 2 * torch.randn(
        b, *SHAPES[axes], dtype=torch.float64, generator=torch.Generator().manual_seed(seed)
    )


def back(
    net: nn.Module, x: Tensor, rule: str | None, output: int = 1
) -> tuple[Tensor, dict[str, int]]:
    leaf = x.clone().requires_grad_()
    scores = net(leaf * 1)[:, output]
    if rule is None:
        return torch.autograd.grad(scores.sum(), leaf)[0], {}
    with GuidedRule(rule) as mode:
        return torch.autograd.grad(scores.sum(), leaf)[0], dict(mode.governed)


@pytest.mark.parametrize("rule", [None, *RULES])
@pytest.mark.parametrize("name", [*WAYS, *OTHERS])
def test_every_activation_is_the_slow_twins(name, rule):
    module = WAYS[name][1] if name in WAYS else OTHERS[name]
    net, x = Net(2, module), images(2)
    got, governed = back(net, x, rule)
    want = torch.stack(
        [torch.from_numpy(slowly.backwards(net.steps(name), one.numpy(), 1, rule)) for one in x]
    )
    assert_near(got, want, 1e-12)
    assert governed == ({WAYS[name][0]: 3} if rule and name in WAYS else {})


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("axes", [1, 3])
@pytest.mark.parametrize("name", ["relu", "gelu"])
def test_signals_and_volumes(name, axes, rule):
    net, x = Net(axes, WAYS[name][1]), images(axes)
    want = torch.stack(
        [torch.from_numpy(slowly.backwards(net.steps(name), one.numpy(), 1, rule)) for one in x]
    )
    assert_near(back(net, x, rule)[0], want, 1e-12)


def test_the_rules_differ_from_the_derivative_and_from_each_other():
    """Twins that agree by being the derivative would prove nothing."""
    for name, (_, module, *_) in WAYS.items():
        net, x = Net(2, module), images(2)
        derivative, guided, deconvnet = (
            back(net, x, rule)[0] for rule in (None, "guided", "deconvnet")
        )
        for one, other in ((derivative, guided), (derivative, deconvnet), (guided, deconvnet)):
            assert (one - other).abs().max() > 0.01 * derivative.abs().max(), name


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("name", WAYS)
def test_module_function_and_in_place_are_one(name, rule):
    kind, module, function, inplace = WAYS[name]
    x = images(2)
    want, governed = back(Net(2, module), x, rule)
    assert governed == {kind: 3}
    for way in (function, inplace):
        if way is not None:
            got, counted = back(Net(2, way), x, rule)
            assert torch.equal(got, want)
            assert counted == governed


def test_a_gate_at_exactly_zero_is_closed():
    """x > 0, not x >= 0: for smooth gates, whose derivative at 0 is 1/2, and for those whose
    derivative there is 1.
    """
    for _, (_, module, *_) in WAYS.items():
        got, _ = back(nn.Sequential(module), torch.zeros(1, 2, dtype=torch.float64), "guided")
        assert got.tolist() == [[0.0, 0.0]]


def test_numbers_by_hand():
    x = torch.tensor([[-1.0, 1.0, 2.0, 0.5]])
    back_to = torch.tensor([3.0, 3.0, -3.0, 0.0])
    net = nn.Sequential(nn.ReLU())
    leaf = x.clone().requires_grad_()
    y = (net(leaf) * back_to).sum()
    for rule, want in {"guided": [0.0, 3.0, 0.0, 0.0], "deconvnet": [3.0, 3.0, 0.0, 0.0]}.items():
        with GuidedRule(rule):
            assert torch.autograd.grad(y, leaf, retain_graph=True)[0].tolist() == [want]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("activation", [F.relu, F.leaky_relu, F.silu])
def test_what_is_not_finite_stays_behind_a_closed_gate_and_shows_behind_an_open_one(
    activation, rule
):
    leaf = torch.tensor([-1.0, 1.0], requires_grad=True)
    y = (activation(leaf) * torch.tensor([torch.inf, torch.nan])).sum()
    with GuidedRule(rule):
        (got,) = torch.autograd.grad(y, leaf)
    assert got[1].isnan()
    assert got[0] == (0 if rule == "guided" else torch.inf)


class Everything(nn.Module):
    """Operators that no rule governs, some of them with gates of their own."""

    def forward(self, x: Tensor) -> Tensor:
        x = F.batch_norm(
            F.conv2d(x, torch.ones(4, 2, 3, 3).double()),
            torch.zeros(4).double(),
            torch.ones(4).double(),
        )
        x = (
            F.glu(torch.cat([x.tanh(), x.sigmoid()], 1), 1)
            + F.hardsigmoid(x) * F.hardtanh(x)
            + x.abs()
            + x.clamp(min=0)
        )
        x = F.layer_norm(F.avg_pool2d(F.interpolate(x, scale_factor=2.0), 2), x.shape[2:])
        x = x.flatten(2).transpose(1, 2)
        x = F.scaled_dot_product_attention(x, x, x)
        return F.log_softmax(
            F.logsigmoid(x.mean(1)) + F.hardshrink(x).sum(1) + torch.maximum(x, x * 0).amax(1), 1
        )


@pytest.mark.parametrize("rule", RULES)
def test_no_other_operator_is_changed(rule):
    x = images(2)
    derivative, _ = back(Everything(), x, None)
    ruled, governed = back(Everything(), x, rule)
    assert torch.equal(derivative, ruled)
    assert derivative.abs().max() > 0
    assert governed == {}


def test_a_module_that_runs_often_and_a_branch_are_counted_where_they_ran():
    act = nn.ReLU()

    class Branches(nn.Module):
        def forward(self, x):
            y = act(x)
            act(x * 2)  # leads nowhere
            return act(y + act(F.silu(x))) + F.relu6(x)

    _, governed = back(Branches(), images(2).flatten(1), "guided")
    assert governed == {"ReLU": 3, "SiLU": 1, "ReLU6": 1}


def test_slopes_that_are_trained_do_not_disturb():
    """PReLU's operator has two results; a trained slope, one a channel, asks for both."""
    net, x = Net(2, nn.PReLU(dtype=torch.float64)), images(2)
    got = {rule: back(net, x, rule)[0] for rule in RULES}
    leaf = x.clone().requires_grad_()
    for rule in RULES:
        with GuidedRule(rule):
            both = torch.autograd.grad(net(leaf)[:, 1].sum(), [leaf, net.act.weight])
        assert torch.equal(both[0], got[rule])
    frozen = copy.deepcopy(net).requires_grad_(False)
    for rule in RULES:
        assert torch.equal(back(frozen, x, rule)[0], got[rule])


def test_the_rule_ends_with_its_block_also_after_an_error():
    net, x = Net(2, F.relu), images(2)
    before, _ = back(net, x, None)
    back(net, x, "guided")
    with pytest.raises(ZeroDivisionError), GuidedRule("guided"):
        raise ZeroDivisionError
    assert torch.equal(back(net, x, None)[0], before)


def test_another_mode_inside_and_outside_does_not_take_it_away():
    class Plain(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            return func(*args, **(kwargs or {}))

    net, x = Net(2, F.relu), images(2)
    want = back(net, x, "guided")
    with Plain():
        assert torch.equal(back(net, x, "guided")[0], want[0])
    leaf = x.clone().requires_grad_()
    with GuidedRule("guided") as mode, Plain():
        (got,) = torch.autograd.grad(net(leaf)[:, 1].sum(), leaf)
    assert torch.equal(got, want[0])
    assert mode.governed == want[1]


def test_an_unknown_rule():
    with pytest.raises(MethodError, match=r"came 'guide'. Near names: 'guided'"):
        GuidedRule("guide")


class Own(torch.autograd.Function):
    """Somebody's own ReLU."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, gradient):
        return gradient * (ctx.saved_tensors[0] > 0)


def test_what_was_left_alone_is_read_off_the_graph():
    x = torch.ones(2, 3, requires_grad=True)
    y = (
        Own.apply(F.hardtanh(x.tanh() + x.sigmoid() * x.tanh()).clamp(min=0))
        + torch.clamp_min(x, 0)
        + x.softmax(1)
    )
    assert left_alone(y) == {
        "tanh": 2,
        "sigmoid": 1,
        "hardtanh": 1,
        "clamp": 2,
        "OwnBackward": 1,
        "softmax": 1,
    }
    shared = x.tanh()
    assert left_alone(shared * shared + shared) == {"tanh": 1}
    assert left_alone((x * 2).sum()) == left_alone(torch.ones(2)) == {}
