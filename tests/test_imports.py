"""What `import sightline` brings along, in a process of its own."""

import subprocess
import sys

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


def loaded(statement: str) -> set[str]:
    program = (
        "import sys\nimport torch\nbefore ="
        f" set(sys.modules)\n{statement}\nprint(*(set(sys.modules) - before))"
    )
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return {name.partition(".")[0] for name in found.stdout.split()}


def test_importing_sightline_imports_nothing_heavy():
    assert "sightline" in loaded("import sightline")
    assert not loaded("import sightline") & set(HEAVY)


def test_the_test_above_can_fail():
    assert "jinja2" in loaded("import sightline, jinja2")
