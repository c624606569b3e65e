"""Terms of ontologies: organisms (NCBI Taxonomy) and imaging methods (FBbi), by id and name."""

from uplift.terms.tables import (
    LOOKUP,
    MODALITY,
    ORGANISM,
    Term,
    Vocabulary,
    label_of,
    link_of,
    named,
)

__all__ = ["LOOKUP", "MODALITY", "ORGANISM", "Term", "Vocabulary", "label_of", "link_of", "named"]
