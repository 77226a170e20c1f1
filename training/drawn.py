"""Train the small networks of the gallery on drawn pictures: SegFormer, Faster R-CNN, DETR, two
towers.

    python training/drawn.py [segformer faster_rcnn detr clip]

Each takes a few minutes on one CPU core. Writes `docs/gallery/weights/NAME.safetensors` (float16)
and what was measured on 200 pictures of other seeds: share of pixels right; of shapes found (IoU >
0.5, the right label, confidence > 0.5; DETR learns colours, the others kinds, and 0.25 is enough of
it); of pictures whose most similar caption is true.
"""

import json
import sys
import time
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "docs" / "gallery"))
from drawn import CAPTIONS, NETWORKS, WEIGHTS, Scene, scene, tokens

STEPS = {"segformer": 700, "faster_rcnn": 700, "detr": 1500, "clip": 1500}
BATCH = 16
SURE = {"detr": 0.25}  # its focal loss leaves it modest
HELD_OUT = range(1_000_000, 1_000_200)


def normalised(pictures: Tensor) -> Tensor:
    return (pictures - 0.5) / 0.25


def loss_of(name: str, model: nn.Module, scenes: list[Scene]) -> Tensor:
    pictures = torch.stack([one.picture for one in scenes])
    if name == "segformer":
        return model(normalised(pictures), labels=torch.stack([one.classes for one in scenes])).loss
    if name == "faster_rcnn":
        targets = [{"boxes": one.boxes, "labels": torch.tensor(one.kinds) + 1} for one in scenes]
        return sum(model(list(pictures), targets).values())
    if name == "detr":
        labels = [
            {"class_labels": torch.tensor(one.colours), "boxes": shares(one)} for one in scenes
        ]
        return model(normalised(pictures), labels=labels).loss
    similar = model(input_ids=tokens(CAPTIONS), pixel_values=normalised(pictures))[
        "logits_per_image"
    ]
    wanted = torch.zeros_like(similar)
    for i, one in enumerate(scenes):
        wanted[i, one.captions] = 1 / len(one.captions)
    return F.cross_entropy(similar, wanted)


def shares(one: Scene) -> Tensor:
    """Boxes as DETR has them: centre and size in shares of the picture."""
    h, w = one.picture.shape[1:]
    corners = one.boxes / torch.tensor([w, h, w, h])
    return torch.cat(
        [(corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]], dim=1
    )


@torch.no_grad()
def quality(name: str, model: nn.Module) -> float:
    model.eval()
    right, count = 0.0, 0
    for seed in HELD_OUT:
        one = scene(seed)
        picture = normalised(one.picture)[None]
        if name == "segformer":
            logits = F.interpolate(model(picture).logits, one.classes.shape, mode="bilinear")
            right, count = (
                right + float((logits.argmax(1)[0] == one.classes).float().mean()),
                count + 1,
            )
        elif name == "clip":
            best = model(input_ids=tokens(CAPTIONS), pixel_values=picture)[
                "logits_per_image"
            ].argmax()
            right, count = right + (int(best) in one.captions), count + 1
        else:
            if name == "detr":
                out = model(picture)
                sure, labels = out.logits[0].sigmoid().max(1)
                boxes = out.pred_boxes[0]
                boxes = torch.cat(
                    [boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2], dim=1
                )
                wanted = one.boxes / one.picture.shape[2]
            else:
                (found,) = model([one.picture])
                boxes, labels, sure, wanted = (
                    found["boxes"],
                    found["labels"] - 1,
                    found["scores"],
                    one.boxes,
                )
            for box, kind in zip(wanted, one.colours if name == "detr" else one.kinds, strict=True):
                low, high = (
                    torch.maximum(boxes[:, :2], box[:2]),
                    torch.minimum(boxes[:, 2:], box[2:]),
                )
                inner = (high - low).clamp(min=0).prod(1)
                union = (boxes[:, 2:] - boxes[:, :2]).prod(1) + (box[2:] - box[:2]).prod() - inner
                hit = (inner / union > 0.5) & (labels == kind) & (sure > SURE.get(name, 0.5))
                right, count = right + bool(hit.any()), count + 1
    return right / count


def train(name: str) -> None:
    torch.manual_seed(0)
    model, start = NETWORKS[name](), time.perf_counter()
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, 1e-3, STEPS[name], pct_start=0.1 if name == "detr" else 0.3
    )
    model.train()
    for step in range(STEPS[name]):
        scenes = [scene(step * BATCH + i, shapes=1 + (step + i) % 3) for i in range(BATCH)]
        loss = loss_of(name, model, scenes)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        if step % 100 == 0 or step == STEPS[name] - 1:
            print(
                f"{name} {step} loss {loss.item():.3f} {time.perf_counter() - start:.0f} s",
                flush=True,
            )
    kept = {
        key: value.half() if value.is_floating_point() else value
        for key, value in model.state_dict().items()
    }
    WEIGHTS.mkdir(exist_ok=True)
    save_file(
        {key: value.contiguous().clone() for key, value in kept.items()},
        WEIGHTS / f"{name}.safetensors",
    )
    told = WEIGHTS / "measured.json"
    numbers = json.loads(told.read_text(encoding="utf-8")) if told.exists() else {}
    numbers[name] = round(quality(name, model), 3)
    told.write_text(json.dumps(numbers, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    print(
        f"{name} measured {numbers[name]}, {sum(p.numel() for p in model.parameters()):,}"
        " parameters"
    )


if __name__ == "__main__":
    for name in sys.argv[1:] or NETWORKS:
        train(name)
