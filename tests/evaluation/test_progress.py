"""A bar, a function, or nothing: how a run tells how far it is."""

import torch
from torch.utils.data import DataLoader, TensorDataset

from sightline import evaluate


def test_a_bar_counts_the_images_of_a_folder_and_the_batches_of_a_loader(
    model, folder, monkeypatch
):
    import click

    seen = []

    class Bar:
        def __init__(self, length, **_):
            seen.append([length])

        def __enter__(self):
            return self

        def __exit__(self, *_):
            return None

        def update(self, n):
            seen[-1].append(n)

    monkeypatch.setattr(click, "progressbar", Bar)
    evaluate(model, folder, ["grad_cam"], "average_drop", batch_size=8)
    evaluate(
        model,
        DataLoader(TensorDataset(torch.rand(5, 3, 16, 16)), batch_size=2),
        ["grad_cam"],
        "average_drop",
    )
    evaluate(model, (one for one in [torch.rand(1, 3, 16, 16)]), ["grad_cam"], "average_drop")
    assert seen == [[12, 8, 4], [3, 1, 1, 1]]
