"""Skipping what cannot matter changes no number beyond the order of summation."""

import pytest
import torch
from torch import nn

from helpers.backward import like, random
from helpers.closeness import assert_relative
from helpers.nets import batch, convnet
from sightline.surgery import capture
from sightline.surgery.backward import sparse
from sightline.surgery.backward import sparse_products as products
from sightline.surgery.backward.gradients import gradients
from sightline.surgery.backward.sparse import SparseBackward


def mm(left, right):
    return SparseBackward().mm(None, left, right)


@pytest.mark.parametrize("rows", [1, 2, 10, 32, 33, 200])
@pytest.mark.parametrize("zeros", [0.0, 0.2, 0.5, 0.95, 1.0])
@pytest.mark.parametrize("where", ["rows", "columns"])
def test_the_product_is_the_product(rows, zeros, where, monkeypatch):
    monkeypatch.setattr(products, "_LARGE", 0)
    left, right = random(rows, 512, seed=rows), random(512, 40, seed=rows + 1)
    keep = (
        torch.rand(rows if where == "rows" else 512, generator=torch.Generator().manual_seed(3))
        >= zeros
    )
    left = left * (keep[:, None] if where == "rows" else keep)
    like(mm(left, right), left @ right)
    like(mm(left.float(), right.float()), left.float() @ right.float(), 1e-4)


def test_nan_and_infinity_are_no_zeros():
    left, right = torch.zeros(100, 8), torch.ones(8, 4)
    left[3, 2], left[5, 1] = float("nan"), float("inf")
    out = mm(left, right)
    assert out[3].isnan().all()
    assert out[5].isinf().all()
    assert out[4].eq(0).all()


def test_zero_rows_are_really_skipped(monkeypatch):
    left, right = torch.zeros(100, 8), torch.rand(8, 4)
    left[3] = 1.0
    shapes = []
    inner = sparse.thin
    monkeypatch.setattr(sparse, "thin", lambda a, b: shapes.append(tuple(a.shape)) or inner(a, b))
    # eight numbers that are not negative, added in two orders: seven roundings of eps / 2 each
    eps = torch.finfo(torch.float32).eps
    assert_relative(mm(left, right)[3], right.sum(0), 7 * eps)
    assert shapes == [(1, 8)]


def mlp(activation):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 12), activation, nn.Linear(12, 6), nn.LayerNorm(6)).double()


ACTIVATIONS = [
    nn.GELU(),
    nn.GELU("tanh"),
    nn.SiLU(),
    nn.ReLU(),
    nn.Hardswish(),
    nn.Tanh(),
    nn.Sigmoid(),
]


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=str)
@pytest.mark.parametrize("tokens", [[0], [3, 50], list(range(100))])
def test_a_block_of_tokens_looked_back_through_from_some(activation, tokens):
    net, x = mlp(activation), random(2, 100, 6).requires_grad_()
    seed = torch.zeros(2, 100, 6, dtype=torch.float64)
    seed[:, tokens] = random(2, len(tokens), 6, seed=1)
    (want,) = torch.autograd.grad(net(x), x, seed)
    with SparseBackward() as mode:
        (got,) = torch.autograd.grad(net(x), x, seed)
        assert (mode._last is not None) == (len(tokens) < 50)
    like(got, want)


def tokens(hook=None):
    """A class token of 100, behind a block of its own; `hook` gets the gradient inside it."""
    net, head = mlp(nn.ReLU()), nn.Linear(6, 5).double()

    def tail(x):
        inner = net[0](x)
        if hook is not None:
            inner.register_hook(hook)
        return head((x + net[2](inner.relu()))[:, 0])

    return tail


def write_half(gradient):
    gradient[:, 50:].add_(1.0)


WRITING = {
    "add": lambda g: g.add_(0.01),
    "fill": lambda g: g.fill_(0.01),
    "half": write_half,
    "anew": lambda g: g + 0.01,
}


@pytest.mark.parametrize("hook", WRITING.values(), ids=WRITING)
@pytest.mark.parametrize("images", [1, 2])
def test_a_gradient_written_over_by_a_hook_is_believed_as_it_is(hook, images):
    x = random(images, 100, 6).requires_grad_()
    scores = tokens(hook)(x)[:, 1]
    (want,) = torch.autograd.grad(scores.sum(), x, retain_graph=True)
    (got,) = gradients(scores, [x])
    like(got, want)


def test_a_hook_that_clips_in_place_behind_a_pool_is_obeyed():
    x = random(2, 6, 4, 4).requires_grad_()
    maps = x * 1
    maps.register_hook(lambda g: g.clamp_(-0.01, 0.01))
    scores = nn.Linear(6, 5).double()(maps.mean((2, 3)))[:, 1]
    (want,) = torch.autograd.grad(scores.sum(), x, retain_graph=True)
    (got,) = gradients(scores, [x])
    assert torch.equal(got, want)
    assert want.abs().max() == 0.01


@pytest.mark.parametrize("activation", [nn.ReLU(), nn.Sigmoid(), nn.GELU()], ids=str)
@pytest.mark.parametrize(("images", "places"), [(1, 10), (2, 10), (1, 17), (3, 5)])
def test_several_questions_of_few_tokens(images, places, activation):
    """So few that all questions go together: then the gradient has an axis that what was kept has
    not.
    """
    net, head = mlp(activation), nn.Linear(6, 5).double()
    x = random(images, places, 6).requires_grad_()
    scores = head(net(x)[:, 0])
    seeds = torch.eye(5).double()[:4, None].expand(4, images, 5)
    want = torch.stack(
        [torch.autograd.grad(scores, x, seed, retain_graph=True)[0] for seed in seeds]
    )
    with SparseBackward():
        (vectorised,) = torch.autograd.grad(
            scores, [x], seeds, retain_graph=True, is_grads_batched=True
        )
    like(vectorised, want)
    like(gradients(scores, [x], seeds=seeds)[0], want)


def test_a_sparse_matrix_is_left_to_torch():
    mixing = (torch.eye(40) * 2).to_sparse()
    x = torch.rand(40, 3, requires_grad=True)
    scores = torch.sparse.mm(mixing, x).sum(1)
    with SparseBackward():
        (got,) = torch.autograd.grad(scores.sum(), x)
    assert got.eq(2).all()


def test_halves_are_rounded_once():
    """Sums in strips would be rounded after each strip: four times the error."""
    left, right = (
        torch.randn(shape, generator=torch.Generator().manual_seed(0))
        for shape in ((10, 4096), (4096, 512))
    )
    left = (left * (torch.rand(4096, generator=torch.Generator().manual_seed(1)) < 0.5)).half()
    assert torch.equal(mm(left, right.half()), left @ right.half())


def test_a_mean_stays_one_number_a_channel():
    x = random(2, 3, 4, 5).requires_grad_()
    with SparseBackward():
        (gradient,) = torch.autograd.grad(x.mean((2, 3)), x, torch.ones(2, 3).double())
    assert gradient.shape == x.shape
    assert gradient.stride()[2:] == (0, 0)
    assert gradient.eq(1 / 20).all()


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("questions", [1, 4])
@pytest.mark.parametrize("images", [1, 3])
def test_a_transformers_last_block_gives_autograds_numbers(images, questions, batch_first):
    torch.manual_seed(0)
    block = nn.TransformerEncoderLayer(64, 4, 96, activation="gelu", batch_first=batch_first).eval()
    head = nn.Linear(64, 7)

    def tail(x):
        out = block(x if batch_first else x.transpose(0, 1))
        return head(out[:, 0] if batch_first else out[0])

    x = random(images, 50, 64, dtype=torch.float32).requires_grad_()
    scores = tail(x)
    seeds = torch.zeros(questions, images, 7)
    seeds[torch.arange(questions), :, torch.arange(questions)] = 1
    want = torch.stack(
        [torch.autograd.grad(scores, x, seed, retain_graph=True)[0] for seed in seeds]
    )
    (got,) = gradients(scores, [x], seeds=seeds)
    like(got, want, 1e-5 * float(want.abs().max()))


@pytest.mark.parametrize("questions", [1, 5])
def test_looking_back_gives_autograds_numbers(questions, monkeypatch):
    monkeypatch.setattr(products, "_LARGE", 0)
    net, x = convnet(head="fc").double(), batch().double()
    trace = capture(net, x, "5")
    (mine,) = trace.gradients(trace.outputs[:, :questions].T)
    (seeded,) = trace.gradients(trace.outputs, torch.arange(questions).expand(len(x), questions))
    leaf = net[:6](x).detach().requires_grad_()
    for k in range(questions):
        (plain,) = torch.autograd.grad(net[6:](leaf)[:, k].sum(), leaf)
        torch.testing.assert_close(mine[k], plain, rtol=1e-12, atol=1e-14)
        torch.testing.assert_close(seeded[k], plain, rtol=1e-12, atol=1e-14)


def test_it_is_off_outside():
    net = nn.Linear(4, 2)
    with sparse.SparseBackward():
        pass
    x = torch.rand(3, 4, requires_grad=True)
    (gradient,) = torch.autograd.grad(net(x).sum(), x)
    torch.testing.assert_close(gradient[0], net.weight.sum(0).detach())
