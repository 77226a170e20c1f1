"""The bundled model is what its card says: size, shape, grid, and accuracy measured anew."""

import json
from importlib import resources

import pytest
import torch
from torch import Tensor, nn

from helpers.data import shared
from sightline.images import prepare
from sightline.models.lookout import Lookout, lookout
from sightline.types import Preprocess

FILES = resources.files("sightline.models")


@pytest.fixture(scope="module")
def model() -> Lookout:
    return lookout()


@pytest.fixture(scope="module")
def card() -> dict:
    return json.loads(FILES.joinpath("lookout.json").read_text())


def preprocess(card: dict) -> Preprocess:
    return Preprocess(
        **{k: tuple(v) if isinstance(v, list) else v for k, v in card["preprocess"].items()}
    )


@torch.inference_mode()
def logits(model: Lookout, pictures: list, card: dict) -> Tensor:
    batches = (pictures[start : start + 100] for start in range(0, len(pictures), 100))
    return torch.cat([model(prepare(batch, preprocess(card)).inputs) for batch in batches])


def test_weights_are_at_most_four_megabytes_and_all_of_half_precision():
    from safetensors.torch import load

    stored = FILES.joinpath("lookout.safetensors").read_bytes()
    assert len(stored) <= 4_000_000
    assert {value.dtype for value in load(stored).values() if value.is_floating_point()} == {
        torch.float16
    }


def test_weights_fill_the_whole_model_and_become_float32(model):
    fresh = Lookout()
    fresh.load_state_dict(model.state_dict(), strict=True)
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert not any(m.training for m in model.modules())
    assert all(torch.isfinite(value).all() for value in model.state_dict().values())


def test_without_weights_it_is_another_model(model):
    assert not torch.equal(lookout(pretrained=False).head.weight, model.head.weight)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (96, 96), (128, 96), (65, 71), (1, 1)])
def test_takes_any_size_and_the_last_map_has_stride_eight(model, height, width):
    maps = model.features(torch.randn(2, 3, height, width))
    assert maps.shape == (2, 160, -(-height // 8), -(-width // 8))
    assert (maps >= 0).all()
    assert model(torch.randn(2, 3, height, width)).shape == (2, 50)


def test_the_grid_is_as_the_card_says_and_at_least_seven_by_seven(model, card):
    height, width = card["preprocess"]["crop"]
    grid = model.get_submodule(card["layer"])(torch.zeros(1, 3, height, width)).shape[-2:]
    assert list(grid) == card["feature_grid"]
    assert min(grid) >= 7


def test_the_tail_is_an_average_and_one_linear_layer(model):
    maps = model.features(torch.randn(3, 3, 64, 64))
    expected = maps.mean((2, 3)) @ model.head.weight.T + model.head.bias
    torch.testing.assert_close(model.head(model.pool(maps).flatten(1)), expected)


def test_nothing_bends_but_relu(model):
    """Piecewise linear: convolutions, running averages, ReLU, means, sums, and nothing else."""
    straight = (
        nn.Conv2d,
        nn.BatchNorm2d,
        nn.Linear,
        nn.AvgPool2d,
        nn.AdaptiveAvgPool2d,
        nn.Identity,
    )
    leaves = [module for module in model.modules() if not list(module.children())]
    assert all(isinstance(leaf, (*straight, nn.ReLU)) for leaf in leaves)


def test_between_two_close_images_the_logits_are_a_straight_line(model):
    """What the test above means, in float64: so short a step meets no kink, save by accident."""
    model = lookout().double()
    torch.manual_seed(0)
    start = torch.randn(4, 3, 64, 64, dtype=torch.float64)
    step = 1e-9 * torch.randn_like(start)
    near, middle, far = model(start), model(start + step / 2), model(start + step)
    torch.testing.assert_close(middle, (near + far) / 2, rtol=0, atol=1e-12)


def test_the_card_names_fifty_classes_in_the_order_of_the_data(card):
    entries = json.loads(shared("tinyimagenet50", "classes.json").read_text())
    assert card["wnids"] == [entry["wnid"] for entry in entries]
    assert card["classes"] == [entry["name"].split(",")[0] for entry in entries]
    assert len(set(card["classes"])) == 50


@pytest.mark.slow
def test_accuracy_on_val_is_what_the_card_says(model, card):
    import pyarrow.parquet as pq

    table = pq.read_table(shared("tinyimagenet50", "val.parquet"))
    scores = logits(model, [row["bytes"] for row in table["image"].to_pylist()], card)
    right = scores.topk(5).indices == torch.tensor(table["label"].to_pylist())[:, None]
    top1, top5 = right[:, 0].float().mean().item(), right.any(1).float().mean().item()
    assert top1 >= 0.65
    assert top1 == pytest.approx(card["measured"]["val_top1"], abs=0.005)
    assert top5 == pytest.approx(card["measured"]["val_top5"], abs=0.005)
    low, high = card["measured"]["val_top1_95"]
    assert low < top1 < high


@pytest.mark.parametrize(
    ("name", "accepted"), [("chelsea", {"tabby", "Persian cat"}), ("coffee", {"espresso"})]
)
def test_photographs_larger_than_those_it_learnt_from(model, card, name, accepted):
    data = pytest.importorskip(
        "skimage.data", reason="needs scikit-image: pip install 'sightline-cam[demo]'"
    )
    best = logits(model, [getattr(data, name)()], card)[0].topk(2).indices.tolist()
    assert accepted & {card["classes"][index] for index in best}
