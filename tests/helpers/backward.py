"""Gradients for tests: at a layer, at the pixels, of the head behind a layer."""

import torch
from torch import Tensor, nn

from sightline.surgery import capture
from sightline.surgery.backward.sparse import SparseBackward
from sightline.surgery.pixel_trace import capture_pixels
from sightline.targets import logits

RULES = [None, "guided", "deconvnet"]
FIRST = lambda outputs: outputs[:, 1]  # noqa: E731


def both(model: nn.Module, x: Tensor, layer: str, k: int = 1, **kwargs):
    """A layer's activations, and the gradient of one class there."""
    trace = capture(model, x, layer, **kwargs)
    (gradient,) = trace.gradients(lambda outputs: outputs[:, k])
    return trace.activations, gradient


def look(model, inputs, rule=None, scores=FIRST) -> Tensor:
    """What comes back to the pixels under a rule."""
    return capture_pixels(model, inputs).gradients(scores, rule)[0]


def head_of(net, x, layer, **how):
    """The weights of the linear head that reads the layer's mean; None where there is none."""
    trace = capture(net, x, layer, **how)
    return trace.head(logits(trace.outputs), 0)


def like(one, other, tolerance=1e-12):
    """Equal but for the order of summation."""
    torch.testing.assert_close(one, other, rtol=tolerance, atol=tolerance)


def random(*shape, seed=0, dtype=torch.float64) -> Tensor:
    """Normal numbers, the same each time."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def both_ways(out, nodes, grad):
    """Torch's own way back and the lean one give the same."""
    want = torch.autograd.grad(out, nodes, grad, retain_graph=True)
    with SparseBackward():
        got = torch.autograd.grad(out, nodes, grad)
    for one, two in zip(want, got, strict=True):
        like(two, one)
