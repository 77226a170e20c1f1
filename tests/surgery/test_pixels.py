"""Looking back to the pixels: right, without a trace, and cheap to keep."""

import copy
import gc
import threading
import weakref
from functools import partial

import pytest
import torch
import torch.nn.functional as F
import torchvision
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from closeness import assert_near
from data import shared
from nets import assert_same, batch, convnet, photograph
from reference import guided as slowly
from sightline.errors import MethodError, SurgeryError
from sightline.surgery.pixels import PixelTrace, capture_pixels

RULES = [None, "guided", "deconvnet"]
FIRST = lambda outputs: outputs[:, 1]  # noqa: E731


def look(model, inputs, rule=None, scores=FIRST) -> Tensor:
    return capture_pixels(model, inputs).gradients(scores, rule)[0]


def small(axes: int) -> tuple[nn.Sequential, Tensor, list]:
    """A pooled ReLU network in float64, its input, and itself for the slow twin."""
    torch.manual_seed(axes + 3)
    conv = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}[axes]
    pool = {1: nn.AdaptiveAvgPool1d, 2: nn.AdaptiveAvgPool2d, 3: nn.AdaptiveAvgPool3d}[axes]
    net = nn.Sequential(conv(2, 4, 3, padding=1), nn.ReLU(True), conv(4, 3, 3, padding=1), nn.ReLU(), pool(1),
                        nn.Flatten(), nn.Linear(3, 6), nn.ReLU(True), nn.Linear(6, 3)).double()  # fmt: skip
    w = [p.detach().numpy() for p in net.parameters()]
    steps = [("conv", *w[:2]), ("act", "relu"), ("conv", *w[2:4]), ("act", "relu"), ("mean",),
             ("linear", *w[4:6]), ("act", "relu"), ("linear", *w[6:])]  # fmt: skip
    return net, torch.randn(2, 2, *{1: (7,), 2: (4, 5), 3: (3, 2, 4)}[axes], dtype=torch.float64), steps


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_the_slow_twins_pixels(axes, rule):
    net, x, steps = small(axes)
    want = torch.stack([torch.from_numpy(slowly.backwards(steps, one.numpy(), 1, rule)) for one in x])
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
    assert torch.equal(look(convnet(head=head, inplace=True), x, rule), look(convnet(head=head), x, rule))


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


def test_the_callers_own_graph_is_left_alone():
    x = batch().requires_grad_()
    y = x * 2
    got = look(convnet(), y)
    assert not got.requires_grad
    assert x.grad is None
    assert torch.equal(got, look(convnet(), y.detach()))


class Basic(nn.Module):
    """As torchvision's residual blocks: one ReLU module used twice, in place, with an addition before the second."""

    def __init__(self, activation):
        super().__init__()
        torch.manual_seed(3)
        self.a, self.b, self.fc = nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 3, 3, padding=1), nn.Linear(3, 4)
        self.double().eval()
        self.act = activation

    def forward(self, x: Tensor) -> Tensor:
        y = self.b(self.act(self.a(x)))
        y += x
        return self.fc(self.act(y).mean((2, 3)))


def test_a_module_used_twice_by_hand():
    net, x = Basic(nn.ReLU(inplace=True)), batch(dtype=torch.float64)
    pixels, governed = capture_pixels(net, x).gradients(FIRST, "guided")
    assert governed == {"ReLU": 2}
    with torch.no_grad():
        inner = net.a(x)
        outer = net.b(inner.relu()) + x
        g = (net.fc.weight[1] / 120).reshape(1, 3, 1, 1).expand_as(x).relu() * (outer > 0)
        through = F.conv_transpose2d(g, net.b.weight, padding=1).relu() * (inner > 0)
        assert_near(pixels, g + F.conv_transpose2d(through, net.a.weight, padding=1), 1e-12)
    assert torch.equal(pixels, look(Basic(F.relu), x, "guided"))
    assert torch.equal(pixels, look(Basic(torch.relu_), x, "guided"))


@pytest.mark.parametrize("rule", ["guided", "deconvnet"])
def test_captum_agrees_on_residual_blocks_that_use_one_relu_twice(rule):
    attr = pytest.importorskip("captum.attr")
    theirs = {"guided": attr.GuidedBackprop, "deconvnet": attr.Deconvolution}[rule]
    torch.manual_seed(0)
    net = torchvision.models.resnet18().double().eval()
    x = torch.randn(2, 3, 64, 64, dtype=torch.float64)
    mine, governed = capture_pixels(net, x).gradients(FIRST, rule)
    assert governed == {"ReLU": 17}
    with pytest.warns(UserWarning, match="backward hooks on ReLU"):
        want = theirs(net).attribute(x.clone().requires_grad_(), target=1).detach()
    assert_near(mine, want, 1e-10)


@pytest.mark.parametrize("rule", ["guided", "deconvnet"])
@pytest.mark.parametrize("head", ["pool", "fc"])
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_captum_agrees_on_chains(axes, head, rule):
    attr = pytest.importorskip("captum.attr")
    theirs = {"guided": attr.GuidedBackprop, "deconvnet": attr.Deconvolution}[rule]
    net, x = convnet(axes, head=head).double(), batch(axes, dtype=torch.float64)
    with pytest.warns(UserWarning, match="backward hooks on ReLU"):
        want = theirs(net).attribute(x.clone().requires_grad_(), target=1).detach()
    assert_near(look(net, x, rule), want, 1e-12)


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
    with pytest.raises(SurgeryError, match=r"scores that depend on the pixels; those of Switching do not.*no_grad"):
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
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Tanh(), nn.Conv2d(4, 4, 3), nn.Tanh(), nn.Sigmoid(), nn.Flatten())
    trace = capture_pixels(net, batch())
    with pytest.raises(MethodError) as raised:
        trace.gradients(FIRST, "guided")
    assert str(raised.value) == (
        "Expected a rectifier or a smooth gate for the guided rule between the scores and the pixels; Sequential has "
        "none (activations left alone: 1 sigmoid, 2 tanh). Take method='gradient', which needs none, or use torch's "
        "own functions in the model: F.relu(x), F.silu(x)."
    )
    assert trace.gradients(FIRST)[1] == {}
    with pytest.raises(MethodError, match="left alone: no other that is known"):
        look(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten()), batch(), "deconvnet")


def test_a_swish_written_out_keeps_its_derivative_and_is_not_counted():
    class Written(nn.Module):
        def forward(self, x):
            x = F.relu(x * x.sigmoid())
            return x.flatten(1)

    pixels, governed = capture_pixels(Written(), batch(dtype=torch.float64)).gradients(FIRST, "guided")
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


class Asked(nn.Module):
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
    assert torch.equal(look(Asked(), (question, x), rule), want)
    assert torch.equal(look(Asked(), {"question": question, "picture": x}, rule), want)
    assert_near(look(Asked(), {"question": question, "picture": x, "scale": 3.0}, rule), want * 3, 1e-6)


@pytest.mark.parametrize("outer", [torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("rule", RULES)
def test_under_no_grad_and_inference_mode(outer, rule):
    want = look(convnet(), batch(), rule)
    with outer():
        trace = capture_pixels(convnet(), batch())  # the input, and convnet's weights too, are made under the mode
        assert torch.equal(trace.gradients(FIRST, rule)[0], want)
        assert torch.equal(look(convnet(), batch(), rule), want)
    assert torch.is_grad_enabled()
    assert not torch.is_inference_mode_enabled()


@pytest.mark.parametrize("rule", RULES)
def test_frozen_and_training_models_give_the_same(rule):
    x = batch()
    want = look(convnet(head="fc"), x, rule)
    assert torch.equal(look(convnet(head="fc").requires_grad_(False), x, rule), want)
    assert torch.equal(look(convnet(head="fc").train(), x, rule), want)


@pytest.mark.parametrize("rule", RULES)
def test_the_model_comes_out_as_it_went_in(rule):
    net = convnet(head="fc").train()
    net[4].eval()
    net[3].weight.requires_grad_(False)
    net[0].weight.grad = torch.ones_like(net[0].weight)
    net[2].register_forward_hook(lambda *_: None)
    x = batch()
    before = photograph(net)
    trace = capture_pixels(net, x)
    assert_same(before, photograph(net))
    trace.gradients(lambda outputs: outputs.T, rule)
    assert_same(before, photograph(net))
    assert (x._version, x.requires_grad, x.grad) == (0, False, None)


@pytest.mark.parametrize("where", ["model", "scores", "rule"])
def test_the_model_comes_out_as_it_went_in_after_an_error(where):
    net = convnet(head="fc").train()
    before = photograph(net)
    hook = net[6].register_forward_hook(lambda *_: 1 / 0) if where == "model" else None
    try:
        with pytest.raises((ZeroDivisionError, MethodError)):
            look(net, batch(), "zebra", lambda outputs: 1 / 0 if where == "scores" else outputs[:, 0])
    finally:
        if hook:
            hook.remove()
    assert_same(before, photograph(net))


def test_training_goes_on_as_if_nothing_had_been():
    """The weights' graph, left out for us, is there for the next step."""
    nets = [convnet(head="fc", seed=2) for _ in range(2)]
    look(nets[0], batch(), "guided")
    for net in nets:
        torch.manual_seed(0)
        net.train()(batch(b=4)).square().sum().backward()
    for one, other in zip(nets[0].parameters(), nets[1].parameters(), strict=True):
        assert torch.equal(one.grad, other.grad)


class Renormed(nn.Module):
    """Bounds its weights' norm whenever it runs, as EEGNet does, by way of `.data`."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x):
        self.conv.weight.data = torch.renorm(self.conv.weight.data, 2, 0, 0.5)
        return F.relu(self.conv(x)).mean((2, 3))


def test_a_model_that_writes_its_weights_still_does():
    net, plain = Renormed(), Renormed()
    want = plain(batch())
    trace = capture_pixels(net, batch())
    assert torch.equal(trace.outputs, want)
    assert torch.equal(net.conv.weight, plain.conv.weight)
    assert net.conv.weight.requires_grad


class Checkpointed(nn.Module):
    """Runs again during its backward pass: by then in training mode, were it not guarded once more."""

    def __init__(self, reentrant=False):
        super().__init__()
        self.net, self.reentrant = convnet(head="fc"), reentrant

    def forward(self, x):
        x = checkpoint(self.net[:6], x, use_reentrant=self.reentrant)
        return checkpoint(self.net[6:], x, use_reentrant=False)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("rule", RULES)
def test_checkpointed_models_give_the_same(rule, training):
    net, x = Checkpointed().train(training), batch()
    before = photograph(net)
    trace = capture_pixels(net, x)
    pixels, governed = trace.gradients(FIRST, rule)
    assert torch.equal(pixels, look(convnet(head="fc"), x, rule))
    assert governed == ({"ReLU": 3} if rule else {})
    assert_same(before, photograph(net))


def test_reentrant_checkpoints_are_refused_with_the_way_out():
    with pytest.raises(SurgeryError, match="use_reentrant=False"):
        look(Checkpointed(reentrant=True), batch())


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
    """Half-way the signal is 4 * 16 * 16 = 1024; times the 1024 that guard against underflow it is beyond 65504."""
    net = nn.Sequential(
        nn.Conv1d(1, 4, 1), nn.ReLU(), *[nn.Sequential(nn.Conv1d(4, 4, 1), nn.ReLU()) for _ in range(2)], nn.Flatten()
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


def kept(output: Tensor) -> int:
    """Bytes of the tensors that the graph behind an output keeps, storages counted once."""
    storages: dict[int, int] = {}
    nodes, stack = set(), [output.grad_fn]
    while stack:
        node = stack.pop()
        if node is not None and node not in nodes:
            nodes.add(node)
            stack.extend(following for following, _ in node.next_functions)
            for tensor in (getattr(node, name) for name in dir(node) if name.startswith("_saved_")):
                if isinstance(tensor, Tensor):
                    storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
    return sum(storages.values())


def test_what_is_kept_is_what_frozen_weights_would_keep():
    torch.manual_seed(0)
    wide = [nn.Sequential(nn.Linear(64, 64), nn.GELU()) for _ in range(6)]
    net = nn.Sequential(nn.Flatten(2), *wide, nn.Flatten()).eval()
    x = torch.randn(8, 32, 8, 8)
    mine = kept(capture_pixels(net, x).outputs)
    trainable = kept(net(x.clone().requires_grad_()))
    assert all(p.requires_grad for p in net.parameters())
    frozen = kept(net.requires_grad_(False)(x.clone().requires_grad_()))
    assert mine == frozen
    assert mine < 0.7 * trainable


def test_the_graph_goes_when_the_trace_goes():
    trace = capture_pixels(convnet(), batch())
    trace.gradients(FIRST, "guided")
    node = weakref.ref(trace.node)
    del trace
    gc.collect()
    assert node() is None


def test_four_threads_on_one_model():
    net, xs = convnet(head="fc").train(), [batch(seed=s) for s in range(4)]
    alone = [[look(net, x, rule) for rule in RULES] for x in xs]
    wrong: list[str] = []

    def work(i: int) -> None:
        for turn in range(20):
            rule = RULES[(turn + i) % 3]
            if not torch.equal(look(net, xs[i], rule), alone[i][(turn + i) % 3]):
                wrong.append(f"thread {i}, {rule}")

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_rule_in_one_thread_does_not_reach_another():
    """Another thread's ordinary backward pass, in the middle of a guided one."""
    net, x = convnet(), batch()
    want = look(net, x)
    seen: list[Tensor] = []

    class Pause(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, gradient):
            leaf = x.clone().requires_grad_()
            other = threading.Thread(target=lambda: seen.append(torch.autograd.grad(net(leaf)[:, 1].sum(), leaf)[0]))
            other.start()
            other.join()
            return gradient

    class Paused(nn.Module):
        def forward(self, x):
            return net(Pause.apply(x))

    guided = look(Paused(), x, "guided")
    assert torch.equal(seen[0], want)
    assert torch.equal(guided, look(net, x, "guided"))
    assert not torch.equal(guided, want)


def transformer() -> nn.Module:
    return torchvision.models.VisionTransformer(32, 8, num_layers=3, num_heads=2, hidden_dim=16, mlp_dim=32)


@pytest.mark.parametrize(
    ("build", "governed"),
    [
        (torchvision.models.squeezenet1_1, {"ReLU": 26}),
        (torchvision.models.mobilenet_v2, {"ReLU6": 35}),
        (torchvision.models.mobilenet_v3_small, {"Hardswish": 19, "ReLU": 14}),
        (torchvision.models.efficientnet_b0, {"SiLU": 49}),
        (partial(torchvision.models.googlenet, init_weights=False), {"ReLU": 57}),
        (transformer, {"GELU": 3}),
    ],
    ids=["squeezenet1_1", "mobilenet_v2", "mobilenet_v3_small", "efficientnet_b0", "googlenet", "transformer"],
)
def test_architectures_are_counted_in_full(build, governed):
    """The numbers are those of their definitions: convolutions, blocks, squeeze layers."""
    torch.manual_seed(0)
    trace = capture_pixels(build().eval(), torch.randn(1, 3, 32, 32))
    pixels, counted = trace.gradients(FIRST, "guided")
    assert counted == governed
    assert pixels.isfinite().all()


def squeezenet() -> nn.Module:
    net = torchvision.models.squeezenet1_1()
    net.load_state_dict(load_file(shared("imagenet-weights", "squeezenet1_1.safetensors")))
    return net.eval()


def dog_and_cat() -> Tensor:
    picture = Image.open(shared("dog-and-cat", "both.png")).convert("RGB").resize((227, 227))
    pixels = torch.tensor(list(picture.tobytes()), dtype=torch.float32).reshape(227, 227, 3).permute(2, 0, 1) / 255
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    return ((pixels - mean[:, None, None]) / std[:, None, None])[None]


@pytest.mark.parametrize("rule", ["guided", "deconvnet"])
def test_real_weights_agree_with_captum(rule):
    attr = pytest.importorskip("captum.attr")
    theirs = {"guided": attr.GuidedBackprop, "deconvnet": attr.Deconvolution}[rule]
    net, x = squeezenet(), dog_and_cat()
    k = int(net(x).argmax())
    mine = look(net, x, rule, lambda outputs: outputs[:, k])
    with pytest.warns(UserWarning, match="backward hooks on ReLU"):
        want = theirs(net).attribute(x.clone().requires_grad_(), target=k).detach()
    assert_near(mine, want, 1e-5)


def test_guided_pixels_of_a_photograph_lie_on_edges():
    """Where the photograph is flat, little comes back: far less than in the derivative's share."""
    net, x = squeezenet(), dog_and_cat()
    k = int(net(x).argmax())
    detail = sum((x - x.roll(1, axis)).abs().amax(1) for axis in (2, 3))[0]
    flat = detail < detail.median()

    def share(rule):
        strength = look(net, x, rule, lambda outputs: outputs[:, k]).abs().amax(1)[0]
        return float(strength[flat].sum() / strength.sum())

    assert share("guided") < 0.8 * share(None)


def test_a_trace_says_what_it_is():
    trace = capture_pixels(nn.Sequential(nn.Conv1d(2, 2, 1), nn.ReLU(), nn.Flatten()), torch.zeros(1, 2, 3))
    assert isinstance(trace, PixelTrace)
    assert repr(trace).startswith("PixelTrace(outputs=tensor(")
    assert "node" not in repr(trace)
