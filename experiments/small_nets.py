"""Small networks trained here in seconds, and how a figure is written: what several experiments
share.
"""

import io
import json
import math
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from networks import CifarResNet
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from sightline import Card, Preprocess, describe
from sightline.evaluation.report import Interval

PLAIN = Preprocess(resize=None, crop=None)
"""What these networks want: 32 pixels, ImageNet's mean and std."""


def cifar_pictures(file: Path, limit: int | None = None) -> tuple[Tensor, Tensor]:
    """The pictures of a CIFAR `.npz` of JPEGs, uint8 `[n, 3, h, w]`, and their classes `[n]`;
    evenly spaced.
    """
    with np.load(file) as held:
        jpeg, offset, labels = held["jpeg"], held["offset"], held["label"]
    count = len(labels) if limit is None else min(limit, len(labels))
    which = [k * len(labels) // count for k in range(count)]
    arrays = [
        np.asarray(Image.open(io.BytesIO(jpeg[offset[k] : offset[k + 1]].tobytes()))) for k in which
    ]
    return (
        torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2).contiguous(),
        torch.from_numpy(labels[which]).long(),
    )


def normalised(pictures: Tensor) -> Tensor:
    """Pixels 0 to 255 as the network takes them."""
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (PLAIN.mean, PLAIN.std))
    return (pictures.float() / 255 - mean) / std


def small_net(depth: int, width: int, classes: Sequence[str], seed: int) -> nn.Module:
    """An untrained CIFAR ResNet with its card."""
    torch.manual_seed(seed)
    net = CifarResNet(depth, width)
    if len(classes) != net.linear.out_features:
        net.linear = nn.Linear(net.linear.in_features, len(classes))
    describe(
        net,
        Card(
            f"cifar_resnet{depth}_{width}", None, PLAIN, tuple(classes), "trained by this program"
        ),
    )
    return net


def train(
    net: nn.Module,
    pictures: Tensor,
    labels: Tensor,
    epochs: float,
    seed: int = 0,
    *,
    batch: int = 128,
    peak: float = 0.1,
    seen: Callable[[float], Any] | None = None,
    optimiser: Callable[..., torch.optim.Optimizer] | None = None,
    shift: int = 0,
) -> nn.Module:
    """SGD with momentum, flips, a rate that rises and falls once; `seen` is told after each step
    how many epochs.

    `optimiser` takes the place of SGD, with the rate it was given at the peak: transformers want
    AdamW. Pictures are shifted by up to `shift` pixels at random; what comes in at an edge is
    mirrored.
    """
    generator, moves = (
        torch.Generator().manual_seed(seed),
        torch.Generator().manual_seed(seed + 100),
    )
    height, width = pictures.shape[2:]
    pictures = (
        torch.nn.functional.pad(pictures.float(), (shift,) * 4, "reflect").byte()
        if shift
        else pictures
    )
    per_epoch = math.ceil(len(labels) / batch)
    steps = max(1, round(epochs * per_epoch))
    usual = partial(torch.optim.SGD, lr=peak, momentum=0.9, weight_decay=5e-4, nesterov=True)
    stepper = (optimiser or usual)(net.parameters())
    schedule = torch.optim.lr_scheduler.LambdaLR(
        stepper, lambda k: min((k + 1) / max(1.0, 0.2 * steps), (steps - k) / (0.8 * steps) + 0.01)
    )
    net.train()
    order: list[Tensor] = []
    for step in range(steps):
        if not order:
            order = list(torch.randperm(len(labels), generator=generator).split(batch))
        rows = order.pop()
        corners = torch.randint(0, 2 * shift + 1, (len(rows), 2), generator=moves).tolist()
        shifted = [
            pictures[row, :, y : y + height, x : x + width]
            for row, (y, x) in zip(rows, corners, strict=True)
        ]
        inputs = normalised(torch.stack(shifted))
        flip = torch.rand(len(rows), generator=generator) < 0.5
        inputs = torch.where(flip.view(-1, 1, 1, 1), inputs.flip(3), inputs)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            outputs = net(inputs)
        stepper.zero_grad()
        torch.nn.functional.cross_entropy(outputs.float(), labels[rows]).backward()
        stepper.step()
        schedule.step()
        if seen is not None:
            seen((step + 1) / per_epoch)
            net.train()
    return net.eval()


@torch.no_grad()
def outputs_of(net: nn.Module, pictures: Tensor, batch: int = 500) -> Tensor:
    """The network's word on each picture, `[n, classes]`."""
    net.eval()
    return torch.cat([net(normalised(some)) for some in pictures.split(batch)])


def error_rate(net: nn.Module, pictures: Tensor, labels: Tensor) -> float:
    """The share of pictures whose class does not come first."""
    return float((outputs_of(net, pictures).argmax(1) != labels).float().mean())


def kept(place: Path, net: nn.Module, make: Callable[[], dict[str, float]]) -> dict[str, float]:
    """The network as it was trained and stored in an earlier run, or trained by `make` and stored
    now.

    What `make` returns is stored beside it, with the seconds it took.
    """
    note = place.with_suffix(".json")
    if note.exists():
        net.load_state_dict(load_file(place))
        net.eval()
    else:
        start = time.perf_counter()
        found = make()
        place.parent.mkdir(parents=True, exist_ok=True)
        save_file(net.state_dict(), place)
        note.write_text(
            json.dumps(found | {"seconds": time.perf_counter() - start}), encoding="utf-8"
        )
    return dict(json.loads(note.read_text(encoding="utf-8")))


def learnt(
    net: nn.Module, data: Path, place: Path, epochs: float, limit: int | None = None, **how: Any
) -> dict[str, float]:
    """A network of CIFAR-10's classes with its weights of an earlier run, or trained now (`how`:
    see `train`).

    Told are its test `error` in [0, 1] and the `seconds` it took. `limit` trains one epoch of so
    many pictures.
    """

    def learn() -> dict[str, float]:
        train(
            net,
            *cifar_pictures(data / "cifar10" / "train.npz", limit),
            1 if limit else epochs,
            **how,
        )
        return {"error": error_rate(net, *cifar_pictures(data / "cifar10" / "test.npz", limit))}

    torch.set_num_threads(1)
    return kept(place.with_name(f"{place.name}{limit or ''}.safetensors"), net, learn)


def said(found: Interval, digits: int = 2, scale: float = 1.0) -> str:
    """A figure with its interval.

    >>> said(Interval(0.5, 0.25, 0.75, 9), 0, 100)
    '50 [25, 75]'
    """
    if not math.isfinite(found.estimate):
        return "-"
    return (
        f"{scale * found.estimate:.{digits}f} [{scale * found.low:.{digits}f},"
        f" {scale * found.high:.{digits}f}]"
    )


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table."""
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]
