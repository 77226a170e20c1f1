"""Layers against each other on one's own pictures: which are compared, that a better one is found, what is refused."""

from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from torch import Tensor, nn

from sightline import Preprocess, Protocol, compare_layers, describe, evaluate
from sightline.cli import commands
from sightline.datasets import Data, Record
from sightline.errors import DataError, LayerError, MethodError, ProtocolError
from sightline.intervals import Interval, Paired, paired
from sightline.models import Card
from sightline.neighbours import Neighbour, advice, neighbours, speaks
from sightline.surgery.choice import choose


class Roll(nn.Module):
    """Half a picture to the right: what stands behind it stands at the wrong place."""

    def forward(self, x: Tensor) -> Tensor:
        return x.roll(x.shape[3] // 2, 3)


class Spot(nn.Module):
    """Class 1 for bright pictures. The map before `moved` knows where the light is; the automatic layer, `last`, not.

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
    """Dark pictures `[count, 3, 16, 16]`, each with a bright square somewhere in its left half."""
    generator = torch.Generator().manual_seed(0)
    pictures = torch.zeros(count, 3, 16, 16)
    for picture in pictures:
        y, x = torch.randint(0, 12, (), generator=generator), torch.randint(0, 4, (), generator=generator)
        picture[:, y : y + 4, x : x + 4] = 1.0
    return pictures


def spot() -> nn.Module:
    net = Spot()
    describe(net, Card("spot", None, Preprocess(None, None, mean=(0.0,) * 3, std=(1.0,) * 3), ("dark", "light"), ""))
    return net.eval()


def test_the_automatic_layer_is_among_its_neighbours_at_place_zero():
    net = nn.Sequential(
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), nn.Sequential(nn.Conv2d(4, 6, 3, 2), nn.ReLU()),
        nn.Sequential(nn.Conv2d(6, 6, 3, 1, 1), nn.ReLU()), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 2),
    )  # fmt: skip
    one = torch.rand(1, 3, 16, 16)
    found = {place: row for row, place in neighbours(net, one)}
    assert found[0].name == choose(net, one).name == "2"
    assert [(place, row.name) for place, row in found.items()] == [(-4, "0"), (-2, "1"), (-1, "2.0"), (0, "2")]
    assert found[-4].grid.size > found[0].grid.size == found[-2].grid.size


def test_a_layer_that_knows_better_where_things_are_is_found():
    net, pictures = spot(), spots(36)
    found = {one.layer: one for one in compare_layers(net, [pictures], "grad_cam", progress=False)}
    assert {name: one.verdict for name, one in found.items()} == {
        "seen": "more faithful", "moved": "not told apart", "last": "automatic", "idle": "blank",
    }  # fmt: skip
    assert found["seen"].order.estimate > found["last"].order.estimate + 0.2
    assert found["idle"] == Neighbour("idle", 4, (16, 16), 1, None, None)
    assert not speaks(net, "idle", pictures)
    assert advice(list(found.values())).startswith("seen is more faithful on these 36 images: name it, layer='seen'.")


@pytest.mark.parametrize("names", [None, ["seen"]])
def test_the_figures_are_those_of_evaluate_and_the_interval_is_corrected_for_their_number(names, tmp_path):
    net, pictures = spot(), spots(31)
    found = compare_layers(net, [pictures], layers=names, protocol=Protocol(steps=7), out=tmp_path, progress=False)
    assert [one.layer for one in found][-2:] == (["last", "idle"] if names is None else ["seen", "last"])
    order = {}
    for layer in ("seen", "last"):
        rows = evaluate(
            net, [pictures], "grad_cam_pp", "deletion,insertion", protocol=Protocol(steps=7, layer=layer), views=0,
            progress=False,
        )  # fmt: skip
        order[layer] = np.array(rows.column("insertion")) - np.array(rows.column("deletion"))
    seen = next(one for one in found if one.layer == "seen")
    spoken = sum(one.order is not None for one in found) - 1
    assert spoken == (1 if names else len(found) - 2)
    assert seen.order.estimate == pytest.approx(order["seen"].mean(), abs=1e-12)
    assert seen.less == paired(lambda values: values.mean(), order["seen"], order["last"], level=1 - 0.05 / spoken)
    again = compare_layers(net, [pictures], layers=names, protocol=Protocol(steps=7), out=tmp_path, progress=False)
    assert again == found
    assert {"seen", "last"} <= {folder.name for folder in tmp_path.iterdir()}


def test_a_data_set_is_read_with_the_models_card_and_a_broken_file_is_passed_over(tmp_path):
    for k, picture in enumerate(spots(6)):
        Image.fromarray((picture.permute(1, 2, 0) * 255).byte().numpy()).save(tmp_path / f"{k}.png")
    (tmp_path / "0.png").write_bytes(b"no picture")
    found = compare_layers(spot(), tmp_path, limit=5, progress=False)
    assert {one.order.n for one in found if one.order} == {4}


class Shuffled:
    """Batches in another order each time."""

    def __iter__(self):
        self.turn = getattr(self, "turn", 0) + 1
        return iter([spots(4).roll(self.turn, 0)])


GONE = Data("gone", "folder", Path("gone"), [Record("gone.png", b"", error="no such file")])


@pytest.mark.parametrize(
    ("data", "options", "error", "words"),
    [
        (iter([torch.rand(1, 3, 16, 16)]), {}, DataError, "batches that come again for each layer; got an iterator"),
        ([], {}, DataError, "at least one picture that can be read"),
        (Shuffled(), {}, DataError, "a loader that shuffles"),
        (GONE, {}, DataError, "at least one picture"),
        ([torch.rand(1, 3, 16, 16)], {"layers": ["sean"]}, LayerError, "Near names: 'seen'"),
        ([torch.rand(1, 3, 16, 16)], {"layers": "sean"}, LayerError, "came 'sean'"),
        ([torch.rand(1, 3, 16, 16)], {"method": "gradient"}, MethodError, "'gradient' opens none"),
        ([torch.rand(1, 3, 16, 16)], {"protocol": Protocol(layer="seen")}, ProtocolError, "got layer='seen'"),
    ],
    ids=["iterator", "nothing", "shuffled", "unreadable", "name", "one name", "method", "protocol"],
)
def test_what_cannot_be_compared_is_refused(data, options, error, words):
    with pytest.raises(error, match=words):
        compare_layers(spot(), data, progress=False, **options)


def test_advice_keeps_the_automatic_layer_unless_another_is_shown_to_be_better():
    own = Neighbour("last", 4, (4, 4), 0, Interval(0.2, 0.1, 0.3, 40), None)

    def beside(low: float, high: float) -> Neighbour:
        gap = Paired((low + high) / 2, low, high, 0.01, 40)
        return Neighbour(f"by {low}", 4, (8, 8), -1, Interval(0.3, 0.2, 0.4, 40), gap)

    assert [beside(*ends).verdict for ends in ((0.1, 0.2), (-0.2, -0.1), (-0.1, 0.2))] == [
        "more faithful", "less faithful", "not told apart",
    ]  # fmt: skip
    kept = "last stays: nothing beside it is shown to be more faithful on 40 images."
    assert advice([beside(-0.1, 0.3), own]) == kept
    assert advice([beside(0.1, 0.2), beside(0.15, 0.3), own]).startswith("by 0.15 is more faithful on these 40 images")


def test_from_the_command_line(tmp_path):
    for k in range(3):
        noise = (torch.rand(64, 64, 3, generator=torch.Generator().manual_seed(k)) * 255).byte()
        Image.fromarray(noise.numpy()).save(tmp_path / f"{k}.png")
    result = CliRunner().invoke(commands, ["layers", "--measure", f"{tmp_path}", "--limit", "2", "-m", "grad_cam"])
    assert result.exit_code == 0, result.output
    table, said = result.stdout.strip().split("\n\n")[-2:]
    rows = {line.split()[0]: line for line in table.splitlines()[1:]}
    assert rows["features"].endswith("automatic")
    assert rows["features.4"].split()[1:5] == ["64", "20", "x", "20"]
    assert said.startswith("features stays: nothing beside it is shown to be more faithful on 2 images. Give 30")
