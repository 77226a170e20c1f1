"""Which models can be looked into, and how the rest is told what to do."""

import weakref
from collections.abc import Hashable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from sightline.errors import ModelError

_WRAPPERS = (nn.DataParallel, nn.parallel.DistributedDataParallel)
_cleared: "weakref.WeakKeyDictionary[nn.Module, Hashable]" = weakref.WeakKeyDictionary()
"""Models that were looked through, and what they were made of then: the look costs as much as a few
layers of a small network.
"""


def supported_model(model: Any, *, opened: bool = True) -> nn.Module:
    """The module to run, without wrappers; or a `ModelError` that says why not and what to do.

    `DataParallel`, `DistributedDataParallel` and `torch.compile` are unwrapped (an explanation
    needs hooks on the plain module; the weights are shared, so the map is the same). TorchScript,
    quantised and sharded models and models on the meta device are refused. A quantised one can be
    run, if it need not be `opened`.

    >>> supported_model(nn.DataParallel(nn.ReLU()))
    ReLU()
    """
    while isinstance(model, nn.Module) and (
        isinstance(model, _WRAPPERS) or "_orig_mod" in model._modules
    ):
        model = model.module if isinstance(model, _WRAPPERS) else model._orig_mod
    if not isinstance(model, nn.Module):
        raise _no_module(model)
    found = fingerprint(model)
    if _cleared.get(model) != found:
        _refuse(model, opened)
        if opened:
            _cleared[model] = found
    return model


def made_of(model: nn.Module) -> Hashable:
    """The fingerprint of a model that `supported_model` has just returned, not read once more."""
    known = _cleared.get(model)
    return fingerprint(model) if known is None else known


def _no_module(model: Any) -> ModelError:
    if isinstance(getattr(model, "model", None), nn.Module):
        advice = "Pass its model: explain(loaded.model, images)."
    else:
        advice = (
            "Pass the module itself, or load one by name: sightline.load('resnet50').model. An ONNX"
            " file has no gradients to look back through; of an exported program pass"
            " program.module(), for methods of pixels and black boxes."
        )
    return ModelError(f"Expected a torch.nn.Module; got {type(model).__name__}. {advice}")


def _refuse(model: nn.Module, opened: bool) -> None:
    """Raise a `ModelError` for the first thing that cannot be looked into."""
    for name, module in model.named_modules():
        # Not even to be shown pictures: its flags are not Python's.
        if isinstance(module, torch.jit.ScriptModule):
            raise ModelError(
                f"Expected an ordinary PyTorch module; {name or type(model).__name__} is"
                " TorchScript, whose layers cannot be opened. Pass the Python model it was made"
                " from, with the same weights."
            )
        if opened and _is_quantised(module):
            raise ModelError(
                "Expected a model with float weights; it holds the quantised"
                f" {type(module).__name__}, which has no gradients. Explain the float model it came"
                " from, or take method='occlusion', 'rise' or 'lime', which only show it pictures."
            )
        if type(module).__name__ == "FullyShardedDataParallel":
            raise ModelError(
                "Expected a whole model on one process; this one is sharded"
                " (FullyShardedDataParallel). Gather its state dict into an unsharded copy and"
                " explain that."
            )
    if any(parameter.is_meta for parameter in model.parameters()):
        raise ModelError(
            "Expected a model with weights; its parameters lie on the meta device, which holds"
            " none. Load a checkpoint first: model.to_empty(device='cpu'), then load_state_dict."
        )


def _is_quantised(module: nn.Module) -> bool:
    """Whether it computes with whole numbers; float networks made to be quantised do not yet."""
    kind = type(module)
    return ".quantized" in kind.__module__ and not kind.__name__.endswith("FloatFunctional")


def is_exported(model: nn.Module) -> bool:
    """Whether a model is the graph that `torch.export` wrote down, in which no module is called.

    >>> net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    >>> is_exported(net), is_exported(torch.fx.symbolic_trace(net))
    (False, False)
    """
    if not isinstance(model, torch.fx.GraphModule):
        return False
    called = {str(node.target) for node in model.graph.nodes if node.op == "call_module"}
    return called <= {"_guards_fn"}


def nonfinite_weights(model: nn.Module) -> str | None:
    """The name of the first parameter or buffer that holds NaN or infinity, if any."""
    for name, tensor in _tensors(model):
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            return name
    return None


def _tensors(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    yield from model.named_parameters()
    yield from model.named_buffers()


def modules_of(model: nn.Module) -> list[nn.Module]:
    """Each module once, the model itself first: as `model.modules()`, at a quarter of its time.

    >>> modules_of(nn.Sequential(nn.ReLU(), nn.Sequential(nn.Tanh())))[-2:]
    [Sequential(
      (0): Tanh()
    ), Tanh()]
    """
    modules, seen = [model], {model}
    for module in modules:  # grows while it is gone through
        if children := module._modules:
            for child in children.values():
                if child is not None and child not in seen:
                    seen.add(child)
                    modules.append(child)
    return modules


def fingerprint(model: nn.Module, modules: list[nn.Module] | None = None) -> Hashable:
    """Equal for as long as no module is exchanged, added or taken away.

    What was found out about a model once (that it is supported, which layer is the automatic one)
    holds for so long. People do exchange modules: a new head, a quantised one.

    Modules without weights count by their kind: some models make these anew at each run. `modules`
    are all of them, where they are known.

    >>> net = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    >>> before = fingerprint(net)
    >>> net[1] = nn.ReLU()
    >>> same = fingerprint(net)
    >>> net[0] = nn.Linear(2, 2)
    >>> before == same, before == fingerprint(net)
    (True, False)
    """
    modules = modules_of(model) if modules is None else modules
    weighted = tuple([id(module) for module in modules if module._parameters])
    return tuple(map(type, modules)), weighted
