"""Views of the records: tables and figures. What needs torch is imported from its own file."""

from hardlight.reporting.figures import accuracy_curves, gallery
from hardlight.reporting.measures import measures, measures_table
from hardlight.reporting.statement import write_statement
from hardlight.reporting.tables import comparison_table, wide

__all__ = [
    "accuracy_curves",
    "comparison_table",
    "gallery",
    "measures",
    "measures_table",
    "wide",
    "write_statement",
]
