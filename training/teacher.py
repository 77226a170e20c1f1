"""The optional teacher of `classifier.py`: ImageNet's MobileNetV2 under a linear head for our own
classes.

Its weights (Google, Apache-2.0) are read here and nowhere else, and no part of them enters the
package: our network learns from the probabilities that this one gives to each training image.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

FILE = "mobilenetv2_100_same.safetensors"


@torch.inference_mode()
def teach(images: Tensor, labels: Tensor, val: Tensor, val_labels: Tensor, folder: Path) -> Tensor:
    """Its probabilities for the images `[n, 3, 64, 64]` and their mirrors, `[2, n, 50]`."""
    import timm

    net = timm.create_model("mobilenetv2_100", pad_type="same")
    net.load_state_dict(load_file(folder / FILE), strict=True)
    net = net.eval().bfloat16().to(memory_format=torch.channels_last)
    both, unseen = (features(net, pictures) for pictures in (images, val))
    answers, verdict = out_of_fold(both, labels, unseen)
    own, other = accuracy(answers.mean(0), labels), accuracy(verdict, val_labels)
    print(f"teacher: {own:.4f} right out of fold, {other:.4f} on val", flush=True)
    return answers.clone()


def features(net: nn.Module, images: Tensor) -> Tensor:
    """The pooled features of byte images, enlarged to 128 pixels, and of their mirrors: `[2, n,
    1280]`.
    """
    rows = []
    for batch in images.split(50):
        x = F.interpolate(batch.float() / 127.5 - 1, size=128, mode="bicubic")
        x = torch.cat([x, x.flip(3)]).bfloat16().contiguous(memory_format=torch.channels_last)
        pooled = net.forward_head(net.forward_features(x), pre_logits=True)
        rows.append(pooled.float().unflatten(0, (2, -1)))
    return torch.cat(rows, dim=1)


@torch.inference_mode()
def out_of_fold(both: Tensor, labels: Tensor, unseen: Tensor) -> tuple[Tensor, Tensor]:
    """Five heads, each fitted without a fifth of the images and asked about that: nothing learnt by
    heart.

    Returns the probabilities `[2, n, 50]`, and on `unseen` those of all heads and both mirrors,
    summed.
    """
    fold = torch.arange(len(labels)) % 5
    answers, verdict = torch.empty(2, len(labels), 50), torch.zeros(unseen.shape[1], 50)
    for k in range(5):
        head = fit_head(both[:, fold != k].flatten(0, 1), labels[fold != k].repeat(2))
        answers[:, fold == k] = head(both[:, fold == k]).softmax(-1)
        verdict += head(unseen).softmax(-1).mean(0)
    return answers, verdict


def fit_head(rows: Tensor, labels: Tensor) -> nn.Linear:
    """Multinomial logistic regression with weight decay: four rounds of AdamW over shuffled
    batches.
    """
    with torch.inference_mode(False), torch.enable_grad():
        rows, labels = rows.clone(), labels.clone()
        head = nn.Linear(rows.shape[1], 50)
        optimizer = torch.optim.AdamW(head.parameters(), lr=1e-3, weight_decay=0.1)
        for _ in range(4):
            for some in torch.randperm(len(rows)).split(256):
                loss = F.cross_entropy(head(rows[some]), labels[some])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
    return head


def accuracy(scores: Tensor, labels: Tensor) -> float:
    return (scores.argmax(1) == labels).float().mean().item()
