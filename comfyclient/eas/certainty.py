"""How sure it is what is said of PAI-EAS: nobody could run it all. Pure."""

from __future__ import annotations

from enum import StrEnum


class Sure(StrEnum):
    """Where a statement comes from."""

    DOCUMENTED = "documented"
    """An official page says so."""
    READ = "read in published code"
    """Samples, SDKs or tools of the vendor have it so."""
    INFERRED = "inferred"
    """It follows from what is documented, or from a sister product's page."""
    THIRD_PARTY = "stated by third parties"
    """Users say so."""
    UNKNOWN = "unknown"
    """No source was found."""
