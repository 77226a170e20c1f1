"""Every tensor that is made says its type and its device, whatever the process's defaults are.

The source is looked through, and a part of the surface run in processes with other defaults. The
meta device holds no numbers: a tensor that was made on it by mistake cannot be computed with.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src" / "sightline"

FLOATS = {"empty", "eye", "linspace", "logspace", "ones", "rand", "randn", "zeros"}
"""Of the process's own float type, if none is said."""

NUMBERS = {"arange", "asarray", "as_tensor", "full", "randint", "randperm", "tensor"}
"""Of the type of the numbers they are given, where these are whole."""


def unsaid(source: str) -> Iterator[str]:
    """Tensors and generators that are made without a word on where, or of which type."""
    for call in ast.walk(ast.parse(source)):
        if not (isinstance(call, ast.Call) and ast.unparse(call.func).startswith("torch.")):
            continue
        name = ast.unparse(call.func).removeprefix("torch.")
        words = {word.arg for word in call.keywords}
        if name == "Generator" and not call.args and "device" not in words:
            yield ast.unparse(call)
        if None in words:  # **like
            continue
        floats = name in FLOATS or (name in NUMBERS and _holds_floats(call))
        if (name in FLOATS | NUMBERS and "device" not in words) or (
            floats and "dtype" not in words
        ):
            yield ast.unparse(call)


def _holds_floats(call: ast.Call) -> bool:
    return any(
        isinstance(one, ast.Constant) and isinstance(one.value, float)
        for given in call.args
        for one in ast.walk(given)
    )


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("torch.zeros(3)", True),
        ("torch.zeros(3, device='cpu')", True),
        ("torch.zeros(3, dtype=torch.long)", True),
        ("torch.zeros(3, dtype=torch.long, device='cpu')", False),
        ("torch.zeros(3, **like)", False),
        ("torch.arange(3)", True),
        ("torch.arange(3, device=x.device)", False),
        ("torch.tensor([1.0], device=x.device)", True),
        ("torch.Generator()", True),
        ("torch.Generator('cpu')", False),
        ("torch.zeros_like(x)", False),
    ],
)
def test_what_is_unsaid_is_found(code, found):
    assert list(unsaid(code)) == ([ast.unparse(ast.parse(code))] if found else [])


def test_every_tensor_says_its_type_and_its_device():
    found = {
        file.relative_to(SOURCE).as_posix(): calls
        for file in SOURCE.rglob("*.py")
        if (calls := list(unsaid(file.read_text("utf-8"))))
    }
    assert found == {}


PROGRAM = """
import tempfile, torch, sightline
from torch import nn

torch.manual_seed(0)
net = nn.Sequential(
    nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(),
    nn.Linear(16, 3),
).eval()
images, boxes = torch.rand(2, 3, 16, 16), [torch.tensor([[3.0, 4.0, 12.0, 13.0]])] * 2
batch = {"images": images, "labels": [1, 2], "boxes": boxes}


def surface():
    for method in ("grad_cam_pp", "score_cam", "rise", "occlusion"):
        options = {"masks": 8} if method == "rise" else {}
        found = sightline.explain(net, images, method=method, **options)
        yield from (found.layer, found.scores, found.coarse, found.maps)
    found.save(tempfile.mkdtemp())
    metrics = ("average_drop", "loc", "pointing_game")
    rows = sightline.evaluate(net, [batch], ["grad_cam", "random"], metrics, progress=False)
    yield from (repr(rows.column(one)) for one in rows.rows.column_names if "seconds" not in one)


torch.set_default_device("meta")  # first: what is kept has to be made where it can be used
found = [list(surface())]
torch.set_default_device("cpu")
torch.set_default_dtype(torch.float64)
found.append(list(surface()))
torch.set_default_dtype(torch.float32)
for one, other, wanted in zip(*found, surface(), strict=True):
    if isinstance(wanted, torch.Tensor):
        assert one.dtype == other.dtype == wanted.dtype
        assert torch.equal(one, wanted) and torch.equal(other, wanted)
    else:
        assert one == other == wanted
"""


@pytest.mark.slow
def test_the_surface_is_the_same_under_other_defaults():
    """In a new process: nothing of it was made before."""
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
