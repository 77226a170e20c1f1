"""Weights into a model: all or nothing."""

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from sightline.errors import ModelError
from sightline.models.load_weights import fit, load_weights, misfit


def small() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2))


@pytest.mark.parametrize("kind", ["pth", "safetensors", "half", "prefixed"])
def test_a_round_trip_gives_the_same_outputs(tmp_path, kind):
    torch.manual_seed(0)
    first, second = small().eval(), small().eval()
    state = first.state_dict()
    file = tmp_path / f"w.{kind}"
    if kind == "safetensors":
        save_file(state, file)
    elif kind == "half":
        first.load_state_dict(
            {k: t.half().float() if t.is_floating_point() else t for k, t in state.items()}
        )
        torch.save({k: t.half() if t.is_floating_point() else t for k, t in state.items()}, file)
    else:
        torch.save(
            {("module." if kind == "prefixed" else "") + k: t for k, t in state.items()}, file
        )
    load_weights(second, file)
    x = torch.randn(1, 3, 3, 3)
    assert torch.equal(first(x), second(x))
    assert second[0].weight.dtype == torch.float32


def test_a_model_keeps_its_dtype(tmp_path):
    torch.save(small().state_dict(), tmp_path / "w.pth")
    model = small().half()
    load_weights(model, tmp_path / "w.pth")
    assert model[0].weight.dtype == torch.float16


def test_names_that_fit_as_they_are_keep_their_prefix(tmp_path):
    class Wrapped(nn.Module):
        def __init__(self):
            super().__init__()
            self.model = nn.Linear(1, 1)

    first, second = Wrapped(), Wrapped()
    torch.save(first.state_dict(), tmp_path / "w.pth")
    load_weights(second, tmp_path / "w.pth")
    assert torch.equal(first.model.weight, second.model.weight)


def test_the_counter_of_batch_normalisation_may_be_missing():
    state = {k: t for k, t in small().state_dict().items() if not k.endswith("num_batches_tracked")}
    model = small()
    fit(model, state, "old.pth")
    assert torch.equal(model[3].weight, state["3.weight"])


def test_what_is_missing_unexpected_and_of_another_shape_is_named(tmp_path):
    state = small().state_dict()
    del state["0.weight"], state["0.bias"]
    state["3.weight"] = torch.zeros(7, 4)
    torch.save({**state, **{f"extra.{i}": torch.zeros(1) for i in range(5)}}, tmp_path / "w.pth")
    with pytest.raises(ModelError) as caught:
        load_weights(small(), tmp_path / "w.pth")
    assert (
        str(caught.value)
        == "'w.pth' does not fit Sequential: missing: 0.weight, 0.bias; not expected: extra.0,"
        " extra.1, extra.2 and 2 more; of another shape: 3.weight (file 7x4, model 2x4). Is this"
        " the right architecture? Check the model's name and its options."
    )


def test_another_number_of_classes_is_recognised():
    state = {**small().state_dict(), "3.weight": torch.zeros(7, 4), "3.bias": torch.zeros(7)}
    assert "Is the number of classes right?" in misfit(small(), state)
    assert misfit(small(), small().state_dict()) == ""


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_weights_that_are_not_finite_are_refused(tmp_path, value):
    state = small().state_dict()
    state["3.bias"] = torch.tensor([0.0, value])
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(ModelError, match=r"'3\.bias' in 'w.pth' holds NaN or infinity"):
        load_weights(small(), tmp_path / "w.pth")


def test_nothing_is_loaded_when_something_does_not_fit(tmp_path):
    model = small()
    before = {k: t.clone() for k, t in model.state_dict().items()}
    wrong = {k: t + 1 for k, t in before.items()}
    for change in ({"3.bias": torch.zeros(9)}, {"3.bias": torch.tensor([float("nan"), 0])}):
        torch.save({**wrong, **change}, tmp_path / "w.pth")
        with pytest.raises(ModelError):
            load_weights(model, tmp_path / "w.pth")
        assert all(torch.equal(before[k], t) for k, t in model.state_dict().items())
