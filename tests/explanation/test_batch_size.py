"""As many pictures at once as fit: a device that runs out is simulated, and on a GPU asked."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import sightline.explanation.batch_size
from helpers.nets import Notes, convnet
from sightline import evaluate, explain_folder
from sightline.errors import ImageError
from sightline.explanation.batch_size import AdaptiveBatches, fits, free, largest_batch, needed


class Narrow(nn.Module):
    """Runs out of memory for more than `most` pictures."""

    def __init__(self, most: int, error: type[RuntimeError] = torch.OutOfMemoryError) -> None:
        super().__init__()
        self.net, self.most, self.error, self.sizes = convnet(), most, error, Notes()

    def forward(self, images: Tensor) -> Tensor:
        if len(images) > self.most:
            raise self.error(
                "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried ..."
            )
        self.sizes.append(len(images))
        return self.net(images)


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(7):
        pixels = np.random.default_rng(number).integers(0, 255, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("error", [torch.OutOfMemoryError, RuntimeError])
def test_a_folder_goes_on_with_fewer_at_once_and_says_the_same(error, photos, tmp_path):
    whole, narrow = explain_folder(convnet(), photos, tmp_path / "a"), Narrow(2, error)
    found = explain_folder(narrow, photos, tmp_path / "b", layer="net.3")
    assert (
        [path.name for path in found.done]
        == [path.name for path in whole.done]
        == [f"{n}.png" for n in range(7)]
    )
    assert max(narrow.sizes) == 1, "of 7 pictures 3 were tried, then 1"
    a, b = ((tmp_path / one / "explanations.jsonl").read_text().splitlines() for one in "ab")
    assert [json.loads(row)["score"] for row in a] == pytest.approx(
        [json.loads(row)["score"] for row in b], rel=1e-5
    )


def test_a_picture_that_does_not_fit_alone_is_told(photos, tmp_path):
    with pytest.raises(
        ImageError, match=r"memory for one picture at a time; it ran out .*Take smaller pictures"
    ):
        explain_folder(Narrow(0), photos, tmp_path / "out", layer="net.3")


def test_other_errors_are_not_taken_for_it(photos, tmp_path):
    class Broken(nn.Module):
        def forward(self, images):
            raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="cannot be multiplied"):
        list(AdaptiveBatches(4).through([1, 2], lambda some: Broken()(some)))


def test_a_measurement_goes_on_with_fewer_at_once():
    images = torch.rand(6, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    asked = {"methods": ["grad_cam"], "metrics": ["average_drop", "deletion"], "progress": False}
    found = evaluate(Narrow(2), [images], protocol="paper", **asked)
    want = evaluate(convnet(), [images], protocol="paper", **asked)
    for column in ("average_drop", "deletion"):
        assert found.column(column) == pytest.approx(want.column(column), rel=1e-4, abs=1e-6)


def test_how_many_fit(monkeypatch):
    """10 bytes a picture and 50 besides, of 1000 free ones: (0.8 x 1000 - 50) / 10 = 75."""
    ran, device = [], torch.device("cpu")
    monkeypatch.setattr(sightline.explanation.batch_size, "free", lambda device: 1000)
    monkeypatch.setattr(
        sightline.explanation.batch_size, "needed", lambda job, device: 50 + 10 * job()
    )
    job = lambda n: ran.append(n) or n  # noqa: E731
    assert fits(1000, one=60, two=70) == 75
    assert largest_batch(job, device, 64) == 64
    assert largest_batch(job, device, 256) == 64, "a power of two"
    assert largest_batch(job, device, 20) == 20
    assert ran == [1, 2] * 3


def test_on_a_cpu_nothing_is_tried():
    assert free(torch.device("cpu")) is None
    assert largest_batch(lambda n: pytest.fail("ran"), torch.device("cpu"), 8) == 8


@pytest.mark.skipif(
    not torch.cuda.is_available(), reason="needs a GPU: whose memory is to be measured"
)
def test_on_a_gpu_what_is_needed_is_what_was_live_at_once():
    device = torch.device("cuda")
    size = needed(lambda: torch.zeros(1 << 22, device=device).add(1).sum(), device)
    assert 2 * (1 << 24) <= size <= 2.1 * (1 << 24)
    assert free(device) > size
