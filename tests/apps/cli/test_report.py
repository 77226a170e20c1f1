"""`sightline report`: tables and a page of a folder of rows, or what is said without them."""

import shutil
from pathlib import Path

from click.testing import CliRunner

from sightline.apps.cli.report import report
from sightline.errors import StoreError

ROWS = Path(__file__).resolve().parents[2] / "evaluation" / "written_before"


def test_a_folder_of_rows_becomes_a_page_and_tables(tmp_path):
    shutil.copytree(ROWS, tmp_path / "run")
    found = CliRunner().invoke(report, [str(tmp_path / "run"), "--out", str(tmp_path / "out")])
    assert found.exit_code == 0, found.output
    written = [Path(line) for line in found.output.split()]
    assert tmp_path / "out" / "report.html" in written
    assert all(path.is_file() for path in written)


def test_a_folder_without_rows_is_an_error(tmp_path):
    found = CliRunner().invoke(report, [str(tmp_path)])
    assert isinstance(found.exception, StoreError)
