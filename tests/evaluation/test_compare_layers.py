"""Layers against each other on one's own pictures: which are compared, that a better one is found,
what is refused.
"""

from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from torch import Tensor, nn

from sightline import Preprocess, Protocol, compare_layers, describe, evaluate
from sightline.apps.cli import commands
from sightline.datasets import Data, Record
from sightline.errors import DataError, LayerError, MethodError, ProtocolError, StoreError
from sightline.evaluation.compare_layers import Neighbour, advice, has_maps
from sightline.evaluation.statistics import Interval, Paired, paired
from sightline.metrics.metric import mean
from sightline.models import Card


class Roll(nn.Module):
    """Half a picture to the right: what stands behind it stands at the wrong place."""

    def forward(self, x: Tensor) -> Tensor:
        return x.roll(x.shape[3] // 2, 3)


class Spot(nn.Module):
    """Class 1 for bright pictures. The map before `moved` knows where the light is; the automatic
    layer, `last`, not.

    `idle` runs behind it, and nobody looks at what it says.
    """

    def __init__(self) -> None:
        super().__init__()
        self.seen, self.moved = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU()), Roll()
        self.last, self.idle, self.head = nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1), nn.Linear(4, 2)
        for conv in (self.seen[0], self.last, self.idle):
            nn.init.constant_(conv.weight, 0.3)
            nn.init.zeros_(conv.bias)
        with torch.no_grad():
            self.head.weight.copy_(torch.tensor([[-20.0] * 4, [20.0] * 4]))
            self.head.bias.copy_(torch.tensor([3.0, -3.0]))

    def forward(self, x: Tensor) -> Tensor:
        x = self.last(self.moved(self.seen(x)))
        self.idle(x)
        return self.head(x.mean((2, 3)))


def spots(count: int) -> Tensor:
    """Dark pictures `[count, 3, 16, 16]`, each with a bright square somewhere in its left half.

    No two pixels are equal, or a map would order them as a processor happens to round.
    """
    generator = torch.Generator().manual_seed(0)
    pictures = 0.02 * torch.rand(count, 3, 16, 16, generator=generator)
    for picture in pictures:
        y, x = (
            torch.randint(0, 12, (), generator=generator),
            torch.randint(0, 4, (), generator=generator),
        )
        picture[:, y : y + 4, x : x + 4] += 0.98
    return pictures


def spot() -> nn.Module:
    net = Spot()
    describe(
        net,
        Card(
            "spot",
            None,
            Preprocess(None, None, mean=(0.0,) * 3, std=(1.0,) * 3),
            ("dark", "light"),
            "",
        ),
    )
    return net.eval()


def test_a_layer_that_knows_better_where_things_are_is_found():
    net, pictures = spot(), spots(36)
    found = {one.layer: one for one in compare_layers(net, [pictures], "grad_cam", progress=False)}
    assert {name: one.verdict for name, one in found.items()} == {
        "seen": "more faithful",
        "moved": "not told apart",
        "last": "automatic",
        "idle": "blank",
    }
    assert found["seen"].order.estimate > found["last"].order.estimate + 0.2
    assert found["idle"] == Neighbour("idle", 4, (16, 16), 1, None, None)
    assert not has_maps(net, "idle", pictures)
    assert advice(list(found.values())).startswith(
        "seen is more faithful on these 36 images: name it, layer='seen'."
    )


@pytest.mark.parametrize("names", [None, ["seen"]])
def test_the_figures_are_those_of_evaluate_and_the_interval_is_corrected_for_their_number(
    names, tmp_path
):
    net, pictures = spot(), spots(31)
    found = compare_layers(
        net, [pictures], layers=names, protocol=Protocol(steps=7), out=tmp_path, progress=False
    )
    assert [one.layer for one in found][-2:] == (
        ["last", "idle"] if names is None else ["seen", "last"]
    )
    order = {}
    for layer in ("seen", "last"):
        rows = evaluate(
            net,
            [pictures],
            "grad_cam_pp",
            "deletion,insertion",
            protocol=Protocol(steps=7, layer=layer),
            views=0,
            progress=False,
        )
        order[layer] = np.array(rows.column("insertion")) - np.array(rows.column("deletion"))
    seen = next(one for one in found if one.layer == "seen")
    spoken = sum(one.order is not None for one in found) - 1
    assert spoken == (1 if names else len(found) - 2)
    assert seen.order.estimate == pytest.approx(order["seen"].mean(), abs=1e-12)
    assert seen.less == paired(mean, order["seen"], order["last"], level=1 - 0.05 / spoken)
    again = compare_layers(
        net, [pictures], layers=names, protocol=Protocol(steps=7), out=tmp_path, progress=False
    )
    assert again == found
    assert {"seen", "last"} <= {folder.name for folder in tmp_path.iterdir()}


def test_a_data_set_is_read_with_the_models_card_and_a_broken_file_is_passed_over(tmp_path):
    for k, picture in enumerate(spots(6)):
        Image.fromarray((picture.permute(1, 2, 0) * 255).byte().numpy()).save(tmp_path / f"{k}.png")
    (tmp_path / "0.png").write_bytes(b"no picture")
    net = spot()
    before = torch.get_rng_state()
    with pytest.warns(UserWarning, match=r"1 of 5 images are left out\. 0\.png: .*0\.png"):
        found = compare_layers(net, tmp_path, limit=5, progress=False)
    assert {one.order.n for one in found if one.order} == {4}
    assert torch.equal(torch.get_rng_state(), before), "nothing is drawn from the user's generator"


def test_an_image_without_a_number_is_left_out_with_a_warning():
    pictures = spots(5)
    pictures[2, 0, 3, 3] = torch.nan
    with pytest.warns(UserWarning, match="1 of 5 images are left out"):
        found = compare_layers(spot(), [pictures], layers="seen", progress=False)
    assert {one.order.n for one in found} == {4}


@pytest.mark.parametrize("how", ["name", "twice", "function", "module"])
def test_layers_are_named_as_everywhere_else(how):
    net = spot()
    layers = {
        "name": "seen",
        "twice": ["seen", "seen.1"],
        "function": lambda net: net.seen,
        "module": [net.seen],
    }[how]
    assert [
        one.layer for one in compare_layers(net, [spots(3)], layers=layers, progress=False)
    ] == ["seen", "last"]


def test_a_method_without_gradients_has_maps_where_the_others_are_blank():
    found = {
        one.layer: one for one in compare_layers(spot(), [spots(3)], "eigen_cam", progress=False)
    }
    assert found["idle"].order is not None
    assert found["idle"].verdict == "too few images"


def test_another_function_of_the_same_name_is_another_run(tmp_path):
    def times(factor):
        return lambda gradients: factor * gradients.mean((2, 3), keepdim=True)

    net, pictures = spot(), [spots(3)]
    found = compare_layers(net, pictures, times(1.0), layers="seen", out=tmp_path, progress=False)
    assert (
        compare_layers(net, pictures, times(1.0), layers="seen", out=tmp_path, progress=False)
        == found
    )
    with pytest.raises(StoreError, match=r"functions\.<lambda> is \w+ there and \w+ here"):
        compare_layers(net, pictures, times(-1.0), layers="seen", out=tmp_path, progress=False)


class Shuffled:
    """Batches in another order each time."""

    def __iter__(self):
        self.turn = getattr(self, "turn", 0) + 1
        return iter([spots(4).roll(self.turn, 0)])


GONE = Data("gone", "folder", Path("gone"), [Record("gone.png", b"", error="no such file")])


@pytest.mark.parametrize(
    ("case", "data", "words"),
    [
        ("iterator", iter([spots(1)]), "batches that come again for each layer; got an iterator"),
        ("nothing", [], "at least one picture that can be read"),
        ("unreadable", GONE, "at least one picture that can be read"),
        ("shuffled", Shuffled(), "a loader that shuffles"),
        ("no number", [torch.full((2, 3, 16, 16), torch.nan)], "none can. image 0: "),
        ("no batch", spots(2), r"\[tensor\]"),
        ("no data", None, "got NoneType"),
        ("signals", [torch.rand(2, 3, 16)], r"\[channels, height, width\]"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_data_that_cannot_be_compared_are_refused(case, data, words):
    with pytest.raises(DataError, match=words):
        compare_layers(spot(), data, progress=False)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"layers": ["sean"]}, LayerError, "Near names: 'seen'"),
        ({"layers": "head"}, LayerError, "layers with a grid; 'head' has none"),
        ({"layers": []}, LayerError, "at least one layer"),
        ({"method": "gradient"}, MethodError, "'gradient' opens none"),
        ({"method": ["grad_cam"]}, MethodError, "Expected one method"),
        ({"protocol": Protocol(layer="seen")}, ProtocolError, "got layer='seen'"),
        ({"protocol": Protocol(explained="given")}, DataError, "image 0: .*class"),
        ({"limit": 3}, DataError, r"list\(itertools.islice"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_options_that_make_no_sense_are_refused(options, error, words):
    with pytest.raises(error, match=words):
        compare_layers(spot(), [spots(1)], progress=False, **options)


def beside(low: float, high: float, n: int = 40) -> Neighbour:
    gap = Paired((low + high) / 2, low, high, 0.01, n)
    return Neighbour(f"by {low}", 4, (8, 8), -1, Interval(0.3, 0.2, 0.4, n), gap)


def test_a_verdict_needs_thirty_images_and_a_hundredth_of_the_confidence():
    ends = ((0.1, 0.2), (-0.2, -0.1), (-0.1, 0.2), (0.001, 0.002), (-0.03, -0.001))
    assert [beside(*each).verdict for each in ends] == [
        "more faithful",
        "less faithful",
        "not told apart",
        "not told apart",
        "less faithful",
    ]
    assert (beside(0.1, 0.2, 29).verdict, beside(0.1, 0.2, 30).verdict) == (
        "too few images",
        "more faithful",
    )


def test_advice_keeps_the_automatic_layer_unless_another_is_shown_to_be_better():
    own = Neighbour("last", 4, (4, 4), 0, Interval(0.2, 0.1, 0.3, 40), None)
    kept = "last stays: nothing beside it is shown to be more faithful on 40 images."
    assert advice([beside(-0.1, 0.3), own]) == kept
    assert advice([beside(0.1, 0.2), beside(0.15, 0.3), own]).startswith(
        "by 0.15 is more faithful on these 40 images"
    )
    still = Neighbour("last", 4, (4, 4), 0, Interval(0.001, 0.0, 0.002, 40), None)
    assert advice([still]).startswith("Nothing can be told: whatever pixels are taken away")
    single = Neighbour("last", 4, (4, 4), 0, Interval(0.2, 0.2, 0.2, 1), None)
    assert advice([single]) == "last stays: 1 image is too few to tell. Give 30 or more."


@pytest.mark.slow
def test_from_the_command_line(tmp_path):
    for k in range(3):
        noise = (torch.rand(64, 64, 3, generator=torch.Generator().manual_seed(k)) * 255).byte()
        Image.fromarray(noise.numpy()).save(tmp_path / f"{k}.png")
    result = CliRunner().invoke(
        commands, ["layers", "--measure", f"{tmp_path}", "--limit", "2", "-m", "grad_cam"]
    )
    assert result.exit_code == 0, result.output
    table, note, said = result.stdout.strip().split("\n\n")[-3:]
    assert note.startswith("Grad-CAM of the class predicted; higher is better.")
    rows = {line.split()[0]: line for line in table.splitlines()[1:]}
    assert rows["features"].endswith("automatic")
    assert rows["features.4"].split()[1:5] == ["64", "20", "x", "20"]
    assert said == "features stays: 2 images are too few to tell. Give 30 or more."


@pytest.mark.parametrize(
    "words",
    [
        ["--all", "--measure", "x"],
        ["-m", "cam"],
        ["--limit", "3"],
    ],
    ids=str,
)
def test_options_of_the_other_job_are_refused(words):
    result = CliRunner().invoke(commands, ["layers", *words])
    assert result.exit_code == 2
    assert "--measure" in result.output


@pytest.mark.parametrize(("axes", "size"), [(1, (24,)), (3, (8, 7, 6))])
def test_layers_of_networks_for_signals_and_volumes(axes, size):
    torch.manual_seed(0)
    convolution, pool = (
        (nn.Conv1d, nn.AdaptiveAvgPool1d) if axes == 1 else (nn.Conv3d, nn.AdaptiveAvgPool3d)
    )
    net = nn.Sequential(
        convolution(5, 4, 3), nn.ReLU(), convolution(4, 4, 3), nn.ReLU(), pool(1), nn.Flatten()
    )
    pictures = [torch.randn(3, 5, *size)]
    found = compare_layers(net, pictures, progress=False)
    assert [one.place for one in found][-1] == 0
    assert len(found) > 1
    for one in found:
        assert len(one.grid) == axes
        rows = evaluate(
            net, pictures, "grad_cam_pp", "deletion,insertion", progress=False,
            protocol=Protocol(layer=one.layer),
        )  # fmt: skip
        order = np.subtract(rows.column("insertion"), rows.column("deletion"))
        assert one.order.estimate == pytest.approx(order.mean(), abs=1e-6)
