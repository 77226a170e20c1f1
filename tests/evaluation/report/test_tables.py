"""Tables of a report: what is best is marked, and only where it stands out."""

from sightline.evaluation.report.tables import score_tables, win_table
from sightline.evaluation.report.wording import heading


def test_the_best_is_marked_only_where_it_stands_out(summary):
    lines = {label: cells for table in score_tables(summary) for label, cells in table.lines}
    for metric, figure in summary.figures():
        cells = next(cells for label, cells in lines.items() if label == heading(metric, figure))
        best = summary.stands_out(metric.name, figure)
        assert [cell.bold for cell in cells] == [name == best for name in summary.everybody]
    assert lines["Average Drop (%) ↓"][3].fools
    assert not lines["Loc(0) ↑"][3].fools


def test_wins_have_no_winner_against_themselves(summary):
    table = win_table(summary)
    assert [cells[k].text for k, (_, cells) in enumerate(table.lines)] == [""] * 5
    assert "ties" in table.lines[0][1][1].note
