"""`sightline evaluate`, `report` and `seeds`: a data set in, numbers, a page, masks out."""

import json
import sys

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from sightline.apps.cli import commands
from sightline.errors import SightlineError, StoreError
from sightline.evaluation import store
from sightline.evaluation.report import write


def run(*words):
    return CliRunner().invoke(commands, [str(word) for word in words])


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Six pictures in folders named for the bundled model's classes, one of them broken."""
    place = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    for k in range(6):
        folder = place / ("espresso", "tabby")[k % 2]
        folder.mkdir(exist_ok=True)
        noise = Image.fromarray(rng.integers(0, 256, (8, 9, 3), dtype=np.uint8))
        noise.resize((90, 80), Image.Resampling.BICUBIC).save(folder / f"{k}.png")
    (place / "tabby" / "3.png").write_bytes(b"\x89PNG")
    return place


@pytest.fixture(scope="module")
def measured(photos, tmp_path_factory):
    out = tmp_path_factory.mktemp("results")
    result = run(
        "evaluate",
        photos,
        "-m",
        "grad_cam",
        "-m",
        "grad_cam_pp",
        "-m",
        "fake_cam",
        "--metrics",
        "average_drop,increase_in_confidence",
        "--out",
        out,
        "--workers",
        "0",
        "--batch",
        "2",
    )
    return result, out


def test_numbers_with_intervals_the_protocol_beside_them_and_what_was_not_measured(measured):
    result, out = measured
    assert result.exit_code == 2, result.output
    found = store.read(out)
    digest = found.run["protocol_digest"]
    assert f"protocol {digest}: predicted class, probability; soft map" in result.stdout
    assert f"Average Drop (%) ↓   (protocol {digest})" in result.stdout
    drops = [100 * drop for drop in found.column("average_drop", "grad_cam_pp") if drop is not None]
    line = next(line for line in result.stdout.splitlines() if line.startswith("  Grad-CAM++"))
    assert f"{np.mean(drops):.1f}  [" in line
    assert line.endswith("n=5")
    assert "FakeCAM" in result.stdout
    told = [line for line in result.stderr.splitlines() if line.startswith("not measured: ")]
    assert len(told) == 1
    assert "3.png" in told[0]
    assert len(found) == 18


def test_the_same_command_goes_on_and_another_is_refused(measured, photos):
    _, out = measured
    again = [
        "evaluate",
        photos,
        "-m",
        "grad_cam",
        "-m",
        "grad_cam_pp",
        "-m",
        "fake_cam",
        "--metrics",
        "average_drop,increase_in_confidence",
        "--out",
        out,
        "--batch",
        "2",
    ]
    assert run(*again).exit_code == 2
    result = run(*again, "--set", "fill=mean")
    assert isinstance(result.exception, SightlineError)
    assert "protocol.fill is zero there and mean here" in str(result.exception)


@pytest.mark.slow
def test_the_report_needs_neither_model_nor_data(measured, tmp_path):
    _, out = measured
    result = run("report", out, "--out", tmp_path)
    assert result.exit_code == 0, result.output
    assert str(tmp_path / "report.html") in result.stdout
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert store.read(out).run["protocol_digest"] in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert (tmp_path / "tables" / "scores.csv").exists()
    assert "\\toprule" in (tmp_path / "report.tex").read_text(encoding="utf-8")


def test_the_report_says_what_to_install_where_arrow_is_absent(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    result = run("report", tmp_path)
    assert isinstance(result.exception, StoreError)
    assert "needs pyarrow; it is not installed. Run: pip install 'sightline-cam[" in str(
        result.exception
    )


@pytest.mark.slow
def test_shards_are_reported_together(photos, tmp_path, measured):
    for k in (2, 1):
        run(
            "evaluate",
            photos,
            "-m",
            "grad_cam",
            "--metrics",
            "average_drop",
            "--out",
            tmp_path / str(k),
            "--shard",
            f"{k}/2",
            "--workers",
            "0",
            "--batch",
            "1",
            "--part",
            "3",
            "--views",
            "0",
        )
    write(store.read(tmp_path / "2"), tmp_path / "half")
    assert "3 of 6 images are not here" in (tmp_path / "half" / "report.md").read_text(
        encoding="utf-8"
    )
    found = store.read([tmp_path / "1", tmp_path / "2"])
    whole = store.read(measured[1])
    for part, all_of_it in zip(
        found.column("average_drop"), whole.column("average_drop", "grad_cam"), strict=True
    ):
        assert part == (None if all_of_it is None else pytest.approx(all_of_it, abs=1e-4))


def test_seeds_are_masks_of_the_photographs(measured, tmp_path):
    result = run("seeds", measured[1], "--method", "grad_cam_pp", "--out", tmp_path)
    assert result.exit_code == 0, result.output
    assert "5 masks in" in result.stdout
    assert "nothing to write for 1: tabby/3.png" in result.stderr
    masks = list((tmp_path / "masks").rglob("*.png"))
    assert len(masks) == 5
    assert {np.asarray(Image.open(path)).shape for path in masks} == {(80, 90)}
    assert len(json.loads((tmp_path / "boxes.json").read_text())["images"]) == 5


def test_a_protocol_from_a_file_with_changes(photos, tmp_path):
    (tmp_path / "mine.json").write_text(json.dumps({"mask": "soft top", "top": 0.3}))
    result = run(
        "evaluate",
        photos,
        "-m",
        "grad_cam",
        "--metrics",
        "average_drop",
        "--out",
        tmp_path / "out",
        "--workers",
        "0",
        "--protocol",
        tmp_path / "mine.json",
        "--set",
        "top=0.25",
        "--explain",
        "given",
        "--limit",
        "2",
    )
    assert result.exit_code == 0, result.output
    used = store.read(tmp_path / "out").run["protocol"]
    assert (used["mask"], used["top"], used["explained"]) == ("soft top", 0.25, "given")
    assert "given class, probability; soft top 25 % of the map" in result.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--metrics", "averag_drop"], "'average_drop'"),
        (["-m", "grad_camm"], "'grad_cam'"),
        (["--set", "fil=mean"], "'fill'"),
        (["--set", "fill"], "Expected --set FIELD=VALUE; got 'fill'"),
        (["--protocol", "no.json"], "expected a protocol in JSON"),
        (["--protocol", "ride"], "'rise'"),
        (["--kind", "vox"], "'voc'"),
        (["--metrics", "loc", "--kind", "folder"], "without classes"),
        (["--kind", "voc"], "looks like kind 'labelled': leave the kind out"),
        (["--shard", "3/2"], "a shard k of n"),
        (["--out", __file__], "expected a folder that can be written"),
    ],
)
def test_bad_input_is_one_clear_line_before_a_model_is_loaded(
    photos, tmp_path, monkeypatch, words, said
):
    monkeypatch.setattr("sightline.models.load", None)
    result = run("evaluate", photos, "--out", tmp_path / "out", "--workers", "0", *words)
    assert isinstance(result.exception, SightlineError), result.output
    assert said in str(result.exception)
    assert not list((tmp_path / "out").rglob("*.parquet"))


@pytest.mark.parametrize(
    "words", [["--shard", "3"], ["--shard", "a/b"], ["--weights", "x", "--random"]]
)
def test_bad_usage_is_told_as_such(photos, tmp_path, words):
    assert run("evaluate", photos, "--out", tmp_path / "out", *words).exit_code == 2


def test_an_empty_folder_and_a_missing_one(tmp_path):
    (tmp_path / "empty").mkdir()
    for place, said in ((tmp_path / "empty", "empty"), (tmp_path / "gone", "gone")):
        result = run("evaluate", place, "--out", tmp_path / "out")
        assert isinstance(result.exception, SightlineError)
        assert said in str(result.exception)
    result = run("report", tmp_path / "empty")
    assert "expected a folder of results" in str(result.exception)
