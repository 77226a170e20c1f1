"""Train `lookout`, the bundled classifier, on the 50 classes of tinyimagenet50, within a budget of
minutes.

Everything that changes during training (learning rate, image sizes, cutmix) is a function of the
share of the budget that is spent: a run on a slow or busy machine ends as well annealed as one on a
fast machine, only after fewer epochs. Time is the sum of the durations of the steps, each counted
as 5 s at most: a pause costs nothing. The seed therefore fixes the first weights and the order of
images, not the result's last digit.

    python training/classifier.py --out out/lookout --minutes 70        # --resume goes on after a
    stop

leaves `lookout.safetensors` and `log.jsonl` in --out; `training/card.py` measures them and writes
the card.
"""

import argparse
import io
import json
import math
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch
import torch.distributed as dist
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import save_file
from teacher import teach
from torch import Tensor, nn

from sightline.models.lookout import Lookout

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
ROOT = Path(__file__).resolve().parents[1]

SIZES = ((0.20, (32,)), (0.45, (48,)), (0.78, (64,)), (0.93, (64, 80, 96)), (1.00, (64, 96, 128)))
"""Until which share of the budget steps draw from which input sizes: cheap ones first, working
sizes last.
"""


def read(path: Path) -> tuple[Tensor, Tensor]:
    """The images `[n, 3, 64, 64]` as bytes, the labels `[n]`."""
    table = pq.read_table(path, columns=["image", "label"])
    files = (io.BytesIO(row["bytes"]) for row in table["image"].to_pylist())
    images = np.stack([np.asarray(Image.open(file).convert("RGB")) for file in files])
    labels = torch.tensor(table["label"].to_pylist())
    return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous(), labels


def normalize(images: Tensor) -> Tensor:
    """RGB in [0, 1] to what the network takes."""
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (MEAN, STD))
    return ((images - mean) / std).contiguous(memory_format=torch.channels_last)


# -- augmentation: a whole batch at once
# ---------------------------------------------------------------------


def uniform(low: float, high: float, n: int) -> Tensor:
    return torch.empty(n).uniform_(low, high)


def move(images: Tensor, size: int, mirrored: Tensor) -> Tensor:
    """Crop (or zoom out of), stretch, turn and mirror each image; one resampling to `size`."""
    n = len(images)
    area, aspect = uniform(0.35, 1.0, n), uniform(-0.28, 0.28, n).exp()
    wide = torch.rand(n) < 0.15
    area = torch.where(
        wide, uniform(1.0, 2.5, n), area
    )  # a smaller object; the picture is mirrored at its border
    w, h = (area * aspect).sqrt(), (area / aspect).sqrt()
    w, h = torch.where(wide, w, w.clamp(max=1)), torch.where(wide, h, h.clamp(max=1))
    x, y = (uniform(-1, 1, n) * (1 - side).abs() for side in (w, h))
    angle = uniform(-0.2, 0.2, n) * (torch.rand(n) < 0.3)
    w = torch.where(mirrored, -w, w)
    cos, sin = angle.cos(), angle.sin()
    theta = torch.stack(
        [torch.stack([w * cos, -h * sin, x], 1), torch.stack([w * sin, h * cos, y], 1)], 1
    )
    grid = F.affine_grid(theta, [n, 3, size, size], align_corners=False)
    return F.grid_sample(
        images, grid, mode="bilinear", padding_mode="reflection", align_corners=False
    )


def recolour(images: Tensor) -> Tensor:
    """Brightness, contrast, saturation, and sharpness: large photographs are sharper than enlarged
    crops.
    """
    n = len(images)
    light, contrast, colour = (uniform(0.65, 1.35, n).view(n, 1, 1, 1) for _ in range(3))
    grey = images.mean(1, keepdim=True)
    images = grey + (images - grey) * colour
    mean = images.mean((1, 2, 3), keepdim=True)
    images = (mean + (images - mean) * contrast) * light
    blurred = F.avg_pool2d(images, 3, stride=1, padding=1, count_include_pad=False)
    amount = (uniform(-0.6, 1.2, n) * (torch.rand(n) < 0.5)).view(n, 1, 1, 1)
    return (images + amount * (images - blurred)).clamp(0, 1)


def cutmix(images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Paste a window of another image into each; the targets mix by area (Yun et al. 2019)."""
    order, size = torch.randperm(len(images)), images.shape[-1]
    side = max(1, round(size * math.sqrt(torch.rand(()).item() * 0.5)))
    top, left = (int(torch.randint(size - side + 1, ())) for _ in range(2))
    window = (..., slice(top, top + side), slice(left, left + side))
    images = images.clone()
    images[window] = images[order][window]
    share = (side / size) ** 2
    return images, (1 - share) * targets + share * targets[order]


# -- training
# ------------------------------------------------------------------------------------------------


def accuracy(scores: Tensor, labels: Tensor, k: int = 1) -> float:
    """Share of rows whose label is among the k highest scores."""
    return (scores.topk(k, dim=1).indices == labels[:, None]).any(1).float().mean().item()


@torch.inference_mode()
def predict(model: nn.Module, images: Tensor, size: int) -> Tensor:
    """The logits of byte images, each enlarged to `size` pixels, in bfloat16."""
    model.eval()
    logits = []
    for batch in images.split(100):
        resized = F.interpolate(batch.float() / 255, size=size, mode="bilinear", antialias=True)
        with torch.autocast("cpu", torch.bfloat16):
            logits.append(model(normalize(resized)).float())
    return torch.cat(logits)


def rate(progress: float, peak: float) -> float:
    """Learning rate: up in a straight line over the first 8 % of the budget, then a cosine down to
    zero.
    """
    if progress < 0.08:
        return peak * (progress + 1e-3) / 0.08
    return peak * 0.5 * (1 + math.cos(math.pi * min(1.0, (progress - 0.08) / 0.92)))


def average(values: list[Tensor]) -> None:
    """Replace the tensors by their means over the workers, in one message."""
    flat = torch.cat([value.flatten() for value in values])
    dist.all_reduce(flat)
    for value, mean in zip(values, flat.split([value.numel() for value in values]), strict=True):
        value.copy_(mean.view_as(value) / dist.get_world_size())


def train(rank: int, args: argparse.Namespace) -> None:
    """One worker: a core, a copy of the model, its share of each batch; gradients are averaged
    every step.

    On a busy machine two workers of one thread are faster than one of two threads, which wait in
    every layer.
    """
    torch.set_num_threads(1)
    meeting = args.out.resolve() / "meeting"
    dist.init_process_group(
        "gloo", init_method=f"file://{meeting}", rank=rank, world_size=args.workers
    )
    images, labels = read(args.data / "train.parquet")
    val = read(args.data / "val.parquet")
    smooth = F.one_hot(labels, 50) * 0.9 + 0.1 / 50
    targets = torch.stack([smooth, smooth])  # one for the image, one for its mirror
    if args.teacher:
        targets = targets.lerp(torch.load(args.out / "teacher.pt"), args.teacher_share)

    torch.manual_seed(args.seed)  # the same first weights everywhere
    model = Lookout().to(memory_format=torch.channels_last)
    parameters, buffers = (
        list(model.parameters()),
        [b for b in model.buffers() if b.is_floating_point()],
    )
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": args.decay},
        {"params": [p for p in parameters if p.ndim <= 1]},
    ]
    optimizer = torch.optim.SGD(groups, lr=0.1, momentum=0.9, nesterov=True)
    spent, epoch, last = torch.zeros(1), 0, args.out / "last.pt"
    if args.resume and last.exists():
        state = torch.load(last)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        spent, epoch = state["spent"], state["epoch"]

    budget, clock = args.minutes * 60, time.monotonic()
    while spent < budget:
        shared = torch.Generator().manual_seed(
            args.seed + epoch
        )  # the same order and sizes everywhere
        torch.manual_seed(args.seed + 1000 * epoch + rank + 1)  # augmentation of its own
        order = torch.randperm(len(images), generator=shared)
        total, steps = 0.0, 0
        model.train()
        for rows in order.split(args.batch)[: len(images) // args.batch]:
            progress = spent.item() / budget
            if progress >= 1:
                break
            choice = next(sizes for until, sizes in SIZES if progress <= until)
            size = choice[int(torch.randint(len(choice), (), generator=shared))]
            rows = rows[rank :: args.workers]
            mirrored = torch.rand(len(rows)) < 0.5
            x, t = move(images[rows].float() / 255, size, mirrored), targets[mirrored.long(), rows]
            x = recolour(x)
            if torch.rand(()) < args.cutmix and progress < 0.85:
                x, t = cutmix(x, t)
            with torch.autocast("cpu", torch.bfloat16):
                logits = model(normalize(x))
            loss = F.cross_entropy(logits.float(), t)
            optimizer.zero_grad()
            loss.backward()
            now = time.monotonic()
            step, clock = torch.tensor([min(now - clock, 5.0)]), now
            average([step] + [p.grad for p in parameters])
            for group in optimizer.param_groups:
                group["lr"] = rate(progress, args.rate)
            optimizer.step()
            spent, total, steps = spent + step, total + loss.item(), steps + 1
        average(buffers)
        epoch += 1
        if rank == 0:
            seen = choice[len(choice) // 2]
            top1 = accuracy(predict(model, val[0], seen), val[1])
            row = {"epoch": epoch, "minutes": round(spent.item() / 60, 2), "size": seen}
            row |= {"loss": round(total / max(1, steps), 4), "val_top1": round(top1, 4)}
            with (args.out / "log.jsonl").open("a") as log:
                print(json.dumps(row), file=log)
            state = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
            torch.save(state | {"spent": spent, "epoch": epoch}, last.with_suffix(".new"))
            last.with_suffix(".new").replace(last)
    if rank == 0:
        state = {name: value.detach().contiguous() for name, value in model.state_dict().items()}
        halves = {
            name: value.half() if value.is_floating_point() else value
            for name, value in state.items()
        }
        save_file(halves, args.out / "lookout.safetensors")
    dist.barrier()
    dist.destroy_process_group()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=ROOT / "../shared/data/tinyimagenet50")
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for checkpoints and the weight file"
    )
    parser.add_argument(
        "--minutes", type=float, default=75, help="time budget of the training steps"
    )
    parser.add_argument(
        "--teacher", type=Path, help="folder of MobileNetV2's weights: learn from it as well"
    )
    parser.add_argument("--teacher-share", type=float, default=0.6, help="its share in the target")
    parser.add_argument("--workers", type=int, default=2, help="processes, of one thread each")
    parser.add_argument(
        "--batch", type=int, default=128, help="images a step, all workers together"
    )
    parser.add_argument("--rate", type=float, default=0.2, help="highest learning rate")
    parser.add_argument("--decay", type=float, default=5e-4)
    parser.add_argument("--cutmix", type=float, default=0.2, help="share of batches with cutmix")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--resume", action="store_true", help="go on from the last epoch in --out")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "meeting").unlink(missing_ok=True)
    if args.teacher and not (args.out / "teacher.pt").exists():
        images, labels = read(args.data / "train.parquet")
        val = read(args.data / "val.parquet")
        torch.save(teach(images, labels, *val, args.teacher), args.out / "teacher.pt")
    torch.multiprocessing.spawn(train, (args,), nprocs=args.workers)


if __name__ == "__main__":
    main()
