"""What a model is made of, read so fast that it can be read whenever the model is run.

What was found out about a model once (that it is supported, which layer is the automatic one) holds
for as long as it is made of the same modules. People do exchange them: a new head, a quantised one.
"""

from collections.abc import Hashable

from torch import nn


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


def fingerprint(model: nn.Module) -> Hashable:
    """Equal for as long as no module is exchanged, added or taken away.

    Modules without weights count by their kind: some models make these anew at each run.

    >>> net = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    >>> before = fingerprint(net)
    >>> net[1] = nn.ReLU()
    >>> same = fingerprint(net)
    >>> net[0] = nn.Linear(2, 2)
    >>> before == same, before == fingerprint(net)
    (True, False)
    """
    modules = modules_of(model)
    weighted = tuple([id(module) for module in modules if module._parameters])
    return tuple(map(type, modules)), weighted
