"""What decides where the places of a layer lie, as far as it can be read off a model."""

from collections.abc import Hashable

from torch import nn

from sightline.surgery.harness.supported import fingerprint, modules_of


def made_and_hooked(model: nn.Module) -> Hashable:
    """Equal for as long as no module, no forward of one and no hook is exchanged.

    >>> net = nn.Sequential(nn.ReLU())
    >>> before = made_and_hooked(net)
    >>> net[0].forward = lambda x: x.flip(-1)
    >>> before == made_and_hooked(net)
    False
    """
    own = [
        (k, id(parts.get("forward")), *module._forward_hooks, None, *module._forward_pre_hooks)
        for k, module in enumerate(modules_of(model))
        if "forward" in (parts := module.__dict__)
        or module._forward_hooks
        or module._forward_pre_hooks
    ]
    return fingerprint(model), tuple(own)
