"""Scores to second order along the activations: their gradient, and their Hessian times the
activations.

The model runs once more and its tail is written down (`tape.py`), with fused attention and norms in
operators that can be differentiated again. Then one look back with a graph, and one through that.
Where nothing behind the layer bends there is nothing to look for; where the tail cannot be written
down, the graph that autograd recorded is taken. The first derivatives have to be autograd's own.
"""

import torch
from torch import Tensor

from sightline.errors import SurgeryError
from sightline.surgery.derivatives.curvature import Again
from sightline.surgery.derivatives.diagonal import DiagonalDerivatives, alike
from sightline.surgery.derivatives.piecewise_linear import last_bend
from sightline.surgery.derivatives.tape import Recorder, Tape, Untaped, plainly
from sightline.surgery.harness import guard
from sightline.surgery.layer_trace import Trace
from sightline.tensors import at_least_float32

Two = tuple[Tensor, Tensor]
"""The gradient and the Hessian times the activations, `[n, b, c, *s]`."""


def expansion(again: Again, scores: Tensor) -> Two:
    """The gradient of scores `[n, b]` at a layer, and each score's Hessian there times the image's
    activations.

    `again` runs the model once more, opened at the layer, and gives the scores with their graph;
    they have to be `scores`. What is no activation of the layer's grid, such as a class token,
    stands still. Raises `SurgeryError` for a model that does not repeat itself, or cannot be
    differentiated twice.

    >>> from sightline.surgery import capture
    >>> net = torch.nn.Sequential(torch.nn.Identity(), torch.nn.Softplus(), torch.nn.Flatten())
    >>> def again():
    ...     trace = capture(net, torch.zeros(1, 1, 1, 2), "0")
    ...     return trace, trace.outputs[:, :1].T ** 2
    >>> gradient, bent = expansion(again, again()[1])
    >>> gradient.flatten()  # 2 log 2 x 1/2
    tensor([0.6931, 0.0000])
    """
    recorder = Recorder()
    with recorder:
        trace, found = again()
    rough = min(one.dtype.itemsize for one in (scores, trace.cuts[0].node)) < 4
    if not alike(found, scores, rough):
        raise SurgeryError(
            f"Expected {type(trace.model).__name__} to give the same scores when it runs again; it"
            " does not. Take a model that does not draw random numbers in eval mode, and a target"
            " that asks the same of the same outputs."
        )
    (first,) = trace.gradients(found)
    if first is None:
        nothing = torch.zeros_like(at_least_float32(trace.activations.detach())).expand(
            *found.shape, *trace.activations.shape[1:]
        )
        return nothing, nothing
    with guard.untouched(trace.model), torch.enable_grad():
        try:
            tape = recorder.tape(trace.cuts[0].node, found)
            del recorder
            DiagonalDerivatives.of(
                tape, trace, scores, None, rough
            )  # does it say what the model says?
            two = _written_down(tape, trace)
            if _near(two[0], first, rough):
                return two
            why = "the tail, written down, has other first derivatives"
        except torch.OutOfMemoryError:
            raise  # no word on the tail: with fewer pictures it can be done
        except (
            Untaped,
            RuntimeError,
        ) as error:  # torch raises the latter for operators that have no rule
            why = str(error).partition("\n")[0]
        try:
            return _twice(found, trace.cuts[0].node, trace)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            why = f"{why}; {str(error).partition(chr(10))[0]}"
    raise SurgeryError(
        f"Expected a model that can be differentiated twice behind {trace.cuts[0].layer!r};"
        f" {type(trace.model).__name__} cannot ({why}). Take grad_cam, which needs first"
        " derivatives only."
    )


def _written_down(tape: Tape, trace: Trace) -> Two:
    leaf = tape.start.detach().requires_grad_()
    scores = tape.play(leaf, plainly)
    return _twice(scores, leaf, trace, straight=not last_bend(tape))


def _twice(scores: Tensor, node: Tensor, trace: Trace, straight: bool = False) -> Two:
    """Two looks back for each question, through the graph of `scores` `[n, b]`."""
    along = _places(trace, node)
    rows = []
    for one in scores:
        (slope,) = _grads(one.sum(), node, graph=not straight)
        (bent,) = _grads((slope * along).sum(), node, graph=False)
        rows.append((at_least_float32(slope.detach()), at_least_float32(bent)))
    gradient, bent = (torch.stack(column) for column in zip(*rows, strict=True))
    return _read(trace, gradient), _read(trace, bent)


def _grads(value: Tensor, node: Tensor, graph: bool) -> tuple[Tensor, ...]:
    if not value.requires_grad:
        return (torch.zeros_like(node),)
    return torch.autograd.grad(
        value, node, create_graph=graph, retain_graph=True, materialize_grads=True
    )


def _index(trace: Trace, node: Tensor) -> Tensor:
    """`[c, *s]`: where in the layer's own output each activation is."""
    flat = torch.arange(node[0].numel(), device=node.device).reshape(1, *node.shape[1:])
    index: Tensor = trace.cuts[0].grid.read(flat)[0]
    return index


def _places(trace: Trace, node: Tensor) -> Tensor:
    """The layer's own output where it is on the grid, 0 elsewhere."""
    on = torch.zeros(node[0].numel(), dtype=torch.bool, device=node.device)
    on[_index(trace, node).flatten()] = True
    return node.detach() * on.reshape(node.shape[1:])


def _read(trace: Trace, found: Tensor) -> Tensor:
    """`[n, b, ...]` in the layer's own layout as `[n, b, c, *s]`."""
    index = _index(trace, found[0])
    read: Tensor = found.flatten(2)[..., index.flatten()].unflatten(2, index.shape)
    return read


def _near(got: Tensor, want: Tensor, rough: bool) -> bool:
    """Whether first derivatives agree, as `curvature` asks."""
    bar = (0.1 if rough else max(1e4 * torch.finfo(want.dtype).eps, 1e-6)) * float(
        want.abs().nan_to_num(0, 0).max()
    )
    return bool(((got - want).abs() <= bar).logical_or(~want.isfinite() & ~got.isfinite()).all())
