"""The way back as plain operators: what autograd would compute behind the layer, written down once.

`torch.export` and ONNX know no autograd. So the run and the backward pass are traced together
(`make_fx`), and what is left is a graph of operators in which derivatives are operators like all
others. Most of them PyTorch can take apart itself; `decompositions.py` does the rest.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.overrides import TorchFunctionMode

from sightline.errors import SurgeryError
from sightline.surgery.harness import guard
from sightline.surgery.tracing.decompositions import DECOMPOSITIONS
from sightline.surgery.tracing.opened_model import Opened

Ask = Callable[[Any, Tensor | None], tuple[Tensor, Tensor, Tensor]]
"""From outputs, and perhaps classes, to the logits, those explained and the class `[b]`."""


def traced(
    opened: Opened, ask: Ask, images: Tensor, classes: Tensor | None, any_size: bool = False
) -> GraphModule:
    """A graph without autograd that gives `(logits, node, its gradient)`.

    It takes `(images)` or `(images, classes)`. The batch may have any size. Height and width are
    those of `images`, unless `any_size`. Raises `SurgeryError` where the model cannot be traced, or
    something on the way back cannot be written as plain operators.
    """

    from torch.fx.experimental.proxy_tensor import make_fx  # brings a computer algebra system along

    def run_and_backward(images: Tensor, classes: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        if not any_size:
            for size in images.shape[1:]:
                int(size)  # told to the tracer: this number is fixed
        returned, node = opened(images, as_leaf=True)
        outputs, rows, explained = ask(returned, classes)
        seed = torch.zeros_like(rows).scatter(1, explained.unsqueeze(1), 1)
        (gradient,) = torch.autograd.grad(rows, node, seed, allow_unused=True)
        if gradient is None:
            raise SurgeryError(
                f"Expected outputs that depend on layer {opened.layer!r}; they do not. Name another"
                " layer: sightline.layers(model, images) lists them."
            )
        return outputs.detach(), node.detach(), gradient

    given = (images,) if classes is None else (images, classes)

    def tail(*given: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return run_and_backward(given[0], given[1] if len(given) > 1 else None)

    trace = make_fx(
        tail,
        decomposition_table=_backwards() | DECOMPOSITIONS,
        tracing_mode="symbolic",
        _allow_non_fake_inputs=True,
    )
    fast = torch.backends.mha.get_fastpath_enabled()
    try:
        with (
            guard.untouched(opened),
            torch.no_grad(),
            sdpa_kernel(SDPBackend.MATH),
            _MeansAsMeans(),
        ):
            torch.backends.mha.set_fastpath_enabled(
                False
            )  # one operator for a whole layer, which no format knows
            graph = trace(*given)
            _checked(graph)
            _named(graph, opened)  # while the buffers are those it was traced with
    except SurgeryError:
        raise
    except Exception as error:
        raise SurgeryError(
            "Expected a model whose run can be written down as operators;"
            f" {type(opened.model).__name__} cannot be ({type(error).__name__}:"
            f" {str(error).partition(chr(10))[0]}). Its forward may depend on numbers in the"
            " picture, or call code that PyTorch cannot trace; torch.export says more."
        ) from error
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
    return graph


class _MeansAsMeans(TorchFunctionMode):
    """A global pool as the mean that it is.

    PyTorch's own also sets strides, whose way back no format knows.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is F.adaptive_avg_pool2d:
            given = dict(zip(("input", "output_size"), args, strict=False)) | (kwargs or {})
            if given["output_size"] in (1, (1, 1), [1, 1]):
                return given["input"].mean((-2, -1), keepdim=True)
        return func(*args, **(kwargs or {}))


def _backwards() -> dict[Any, Callable[..., Any]]:
    """What PyTorch takes apart itself, of the way back. The way there is left to the exporter."""
    return {
        operator: decomposition
        for operator, decomposition in torch.export.default_decompositions().items()
        if "backward" in str(operator)
    }


def _checked(graph: GraphModule) -> None:
    """Every derivative on the way has to be taken apart: no format knows any."""
    for node in graph.graph.nodes:
        name = str(node.target)
        if node.op == "call_function" and "backward" in name:
            raise SurgeryError(
                "Expected a tail of operators that can be looked back through outside of PyTorch;"
                f" {name} cannot. Choose a later layer, or a network with a pooled linear head."
            )


def _named(graph: GraphModule, opened: Opened) -> None:
    """Weights under their own names: `layer4_0_conv1_weight` instead of `_param_constant57`."""
    names = {
        id(weight): name
        for name, weight in [*opened.model.named_parameters(), *opened.model.named_buffers()]
    }
    old = set()
    for node in graph.graph.nodes:
        if node.op == "get_attr" and (name := names.get(id(getattr(graph, node.target, None)))):
            weight = getattr(graph, node.target)
            name = "weight_" + name.replace(".", "_")
            if not hasattr(graph, name):
                graph.register_buffer(name, weight.detach())
            old.add(node.target)
            node.target = name
    for name in old:
        delattr(graph, name)
    graph.recompile()
