"""Views of the records: tables and figures."""

from hardlight.reporting.figures import accuracy_curves, gallery
from hardlight.reporting.measures import measures, measures_table
from hardlight.reporting.regions import Panel, decision_regions
from hardlight.reporting.statement import write_statement
from hardlight.reporting.tables import comparison_table, wide

__all__ = [
    "Panel",
    "accuracy_curves",
    "comparison_table",
    "decision_regions",
    "gallery",
    "measures",
    "measures_table",
    "wide",
    "write_statement",
]
