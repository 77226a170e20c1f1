"""What the front door brings along, each asked in a process of its own.

A page that counts votes, a shell that completes a word, a list of names: none of them has a model,
so none of them may wait for torch.
"""

import json
import os
import subprocess
import sys

import pytest

HEAVY = (
    "torchvision",
    "timm",
    "matplotlib",
    "pandas",
    "scipy",
    "skimage",
    "cv2",
    "jinja2",
    "django",
    "flask",
    "fastapi",
    "gradio",
    "streamlit",
    "starlette",
    "tornado",
    "uvicorn",
    "requests",
    "IPython",
    "pyarrow",
)
"""What somebody who has torch already should not pay for."""

ARRAYS = ("torch", "numpy", "PIL", "jaxtyping", "safetensors")
"""What the names alone do not need either."""


def loaded(statements: str, **environment: str) -> set[str]:
    """The top-level packages that are there when the statements have run."""
    program = (
        "import atexit, json, sys\n"
        "atexit.register(lambda: print(json.dumps(sorted(sys.modules)), file=sys.stderr))\n"
        f"{statements}"
    )
    found = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | environment,
    )
    return {name.partition(".")[0] for name in json.loads(found.stderr.splitlines()[-1])}


def command(line: str) -> str:
    """A program that is `sightline`, given this line."""
    return (
        f"sys.argv = {line.split()!r}\nfrom sightline.apps.cli import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code"
    )


def tab(line: str) -> set[str]:
    """What a TAB behind this line loads. An answer without the word sought would prove nothing."""
    words = line.split(" ")
    return loaded(
        command("sightline"),
        _SIGHTLINE_COMPLETE="bash_complete",
        COMP_WORDS=line,
        COMP_CWORD=str(len(words) - 1),
    )


@pytest.mark.parametrize(
    "statement",
    [
        "import sightline",
        "import sightline.errors",
        "import sightline.protocol",
        "import sightline.supply",
        "import sightline.evaluation.store",
        "import sightline.evaluation.statistics",
        "import sightline.methods.names",
        "import sightline.metrics.names",
        "import sightline; sightline.Protocol(); sightline.SightlineError",
        "import sightline; dir(sightline); sightline.__version__",
        "from sightline import methods, metrics, render, targets",
        "from sightline.methods import blackbox, pixel",
    ],
)
def test_a_statement_loads_no_torch(statement):
    there = loaded(statement)
    assert "sightline" in there
    assert "torch" not in there


@pytest.mark.parametrize(
    "line", ["--help", "--version", "methods", "metrics", "explain --help", "evaluate --help"]
)
def test_a_command_without_a_model_loads_no_torch(line):
    there = loaded(command(f"sightline {line}"))
    assert "sightline" in there
    assert not there & set(ARRAYS)


@pytest.mark.parametrize(
    "line",
    [
        "sightline ",
        "sightline me",
        "sightline explain --",
        "sightline explain --method ",
        "sightline explain -m guided_gr",
        "sightline explain --alpha ",
        "sightline evaluate --",
        "sightline evaluate --metrics average_drop,",
        "sightline evaluate --protocol ",
        "sightline evaluate --method ",
        "sightline export --",
        "sightline export -m ",
        "sightline layers --",
        "sightline seeds --",
        "sightline report --",
        "sightline demo --",
    ],
)
def test_a_tab_loads_no_torch(line):
    assert not tab(line) & set(ARRAYS)


def test_the_name_alone_loads_no_arrays_either():
    assert not loaded("import sightline") & set(ARRAYS)


@pytest.mark.slow
def test_the_tests_above_can_fail():
    assert {"torch", "numpy"} <= loaded("import sightline; sightline.explain")
    assert "torch" in loaded("from sightline.metrics import loc")
    assert "torch" in loaded(command("sightline models lookout"))


@pytest.mark.slow
def test_with_torch_there_importing_sightline_imports_nothing_heavy():
    with_torch = loaded("import torch")
    assert not (loaded("import torch, sightline; sightline.explain") - with_torch) & set(HEAVY)


def test_the_test_above_can_fail():
    assert "jinja2" in loaded("import sightline, jinja2")
