"""Reading weights: every container read, every file refused, and that no code runs."""

import argparse
import os
import pickle
import warnings
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from sightline.errors import ModelError
from sightline.models.checkpoint import read_weights, without_prefix

WEIGHTS = {"fc.weight": torch.arange(6.0).reshape(2, 3), "fc.bias": torch.tensor([1.0, -1.0])}


def same(read, wanted=WEIGHTS):
    assert list(read) == list(wanted)
    for key in wanted:
        torch.testing.assert_close(read[key], wanted[key], rtol=0, atol=0)


def refused(file: Path, *says: str) -> str:
    with pytest.raises(ModelError) as caught:
        read_weights(file)
    message = str(caught.value)
    for words in (file.name, *says):
        assert words in message
    return message


def write(file: Path, content: bytes) -> Path:
    file.write_bytes(content)
    return file


@pytest.mark.parametrize("name", ["w.pth", "w.pt", "w.bin", "w.ckpt", "w.safetensors"])
def test_what_torch_save_wrote_whatever_it_is_called(tmp_path, name):
    torch.save(WEIGHTS, tmp_path / name)
    same(read_weights(tmp_path / name))
    same(read_weights(str(tmp_path / name)))


def test_the_legacy_format_of_torch_save(tmp_path):
    torch.save(WEIGHTS, tmp_path / "w.pth", _use_new_zipfile_serialization=False)
    same(read_weights(tmp_path / "w.pth"))


@pytest.mark.parametrize("name", ["w.safetensors", "w.pth"])
def test_safetensors_whatever_it_is_called(tmp_path, name):
    save_file(WEIGHTS, tmp_path / name)
    same(dict(sorted(read_weights(tmp_path / name).items(), reverse=True)))


@pytest.mark.parametrize("key", ["state_dict", "model_state_dict", "model", "model_ema", "net"])
def test_the_weights_inside_a_checkpoint(tmp_path, key):
    stored = {
        "epoch": 7,
        key: WEIGHTS,
        "optimizer": {"state": {}},
        "args": argparse.Namespace(lr=0.1),
    }
    torch.save(stored, tmp_path / "w.ckpt")
    same(read_weights(tmp_path / "w.ckpt"))


def test_a_checkpoint_in_a_checkpoint(tmp_path):
    torch.save({"model": {"state_dict": WEIGHTS}, "loss": torch.tensor(0.3)}, tmp_path / "w.pth")
    same(read_weights(tmp_path / "w.pth"))


def test_what_is_no_tensor_beside_the_weights_is_left_aside(tmp_path):
    torch.save({**WEIGHTS, "epoch": 3, "note": "best"}, tmp_path / "w.pth")
    same(read_weights(tmp_path / "w.pth"))


@pytest.mark.parametrize(
    "prefix", ["module.", "model.", "_orig_mod.", "net.", "model._orig_mod.module."]
)
def test_a_prefix_of_all_names_is_removed(tmp_path, prefix):
    torch.save({prefix + key: tensor for key, tensor in WEIGHTS.items()}, tmp_path / "w.pth")
    same(read_weights(tmp_path / "w.pth"))
    assert next(iter(read_weights(tmp_path / "w.pth", strip=False))) == prefix + "fc.weight"


def test_a_prefix_of_some_names_stays():
    mixed = {"module.fc.bias": torch.zeros(1), "temperature": torch.zeros(1)}
    assert list(without_prefix(mixed)) == list(mixed)
    assert without_prefix({}) == {}


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float8_e4m3fn])
def test_half_precision_becomes_float32_and_keeps_its_values(tmp_path, dtype):
    stored = {"w": torch.tensor([0.5, -3.0]).to(dtype), "steps": torch.tensor(3)}
    torch.save(stored, tmp_path / "w.pth")
    read = read_weights(tmp_path / "w.pth")
    assert read["w"].dtype == torch.float32
    assert read["w"].tolist() == [0.5, -3.0]
    assert read["steps"].dtype == torch.int64


class Trap:
    """Unpickling one of these creates a folder: a stand-in for any command."""

    def __init__(self, place: Path) -> None:
        self.place = str(place)

    def __reduce__(self):
        return os.mkdir, (self.place,)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_with_code_is_refused_and_the_code_does_not_run(tmp_path, zipped):
    place = tmp_path / "trodden"
    file = tmp_path / "evil.pth"
    torch.save({"fc.weight": Trap(place)}, file, _use_new_zipfile_serialization=zipped)
    refused(file, "can run any code", "mkdir", "torch.save(model.state_dict()")
    assert not place.exists()
    torch.load(file, weights_only=False)  # the trap does work
    assert place.exists()


def test_a_plain_pickle_is_refused(tmp_path):
    place = tmp_path / "trodden"
    refused(write(tmp_path / "evil.pkl", pickle.dumps({"w": Trap(place)})), "can run any code")
    assert not place.exists()


def test_a_whole_pickled_model_is_refused_with_the_way_out(tmp_path):
    torch.save(nn.Linear(3, 2), tmp_path / "model.pth")
    message = refused(
        tmp_path / "model.pth", "torch.nn.modules.linear.Linear", "safetensors.torch.save_file"
    )
    assert "\n" not in message


def test_torchscript_is_refused_with_the_way_out(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(nn.Linear(3, 2)).save(str(tmp_path / "scripted.pt"))
    refused(tmp_path / "scripted.pt", "TorchScript", "torch.jit.load('scripted.pt').state_dict()")


def test_other_zip_files_are_refused(tmp_path):
    for name, entry, says in [
        ("a.pt2", "a/archive_format", "torch.export"),
        ("b.npz", "b.npy", "another kind"),
    ]:
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr(entry, "1")
        refused(tmp_path / name, says)


def test_a_missing_file(tmp_path):
    refused(tmp_path / "absent.pth", "No such file", "Check the path")


def test_a_folder_and_the_files_in_it(tmp_path):
    refused(tmp_path, "is a folder", "no weight file")
    save_file(WEIGHTS, tmp_path / "model.safetensors")
    refused(tmp_path, "is a folder", "model.safetensors")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty (0 bytes)"),
        (b"<!DOCTYPE html><html>Sign in</html>", "web page"),
        (b"\n  <html><body>404</body></html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 4\n", "git lfs pull"),
        (b"\x89HDF\r\n\x1a\n" + bytes(64), "begins with b'\\x89HDF"),
        (b"no weights at all", "begins with b'no weights"),
        (b"PK\x03\x04" + bytes(100), "damaged or cut short"),
        (b"\x80\x02", "damaged or cut short"),
        ((10**9).to_bytes(8, "little") + b'{"a":', "damaged or cut short"),
    ],
)
def test_what_is_no_weight_file(tmp_path, content, says):
    refused(write(tmp_path / "w.pth", content), says)


@pytest.mark.parametrize("kind", ["zip", "legacy", "safetensors"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.7, 0.99])
def test_a_file_cut_short(tmp_path, kind, share):
    whole = tmp_path / "whole"
    if kind == "safetensors":
        save_file(WEIGHTS, whole)
    else:
        torch.save(WEIGHTS, whole, _use_new_zipfile_serialization=kind == "zip")
    content = whole.read_bytes()
    refused(write(tmp_path / "cut.pth", content[: max(12, int(share * len(content)))]))


@pytest.mark.parametrize(
    "stored", [{}, {"epoch": 3}, {"state_dict": {}}, [torch.zeros(2)], torch.zeros(2)]
)
def test_a_file_without_named_tensors(tmp_path, stored):
    torch.save(stored, tmp_path / "w.pth")
    refused(tmp_path / "w.pth", "expected tensors by name", "torch.save(model.state_dict()")
