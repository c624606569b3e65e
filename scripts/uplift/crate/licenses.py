"""Names for what a sheet gives by identifier: organisms, imaging methods, licenses.

Labels of taxa are those of the NCBI taxonomy, labels of imaging methods those of FBbi (Biological
Imaging Methods Ontology). A term that is not listed is shown by its identifier.
"""

from __future__ import annotations

import re

from uplift.errors import InputError

_OBO = "http://purl.obolibrary.org/obo/"
_ORGANISM = re.compile(r"NCBI:txid([1-9][0-9]*)")
_MODALITY = re.compile(r"obo:(FBbi_[0-9]{8})")
_SPDX = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]*")
_CREATIVE_COMMONS = re.compile(r"CC-(BY(?:-NC)?(?:-ND|-SA)?)-([0-9]\.[0-9])(?:-([A-Z]{2,3}))?")
_PUBLIC_DOMAIN = {
    "CC0-1.0": ("https://creativecommons.org/publicdomain/zero/1.0/", "CC0 1.0"),
    "CC-PDM-1.0": ("https://creativecommons.org/publicdomain/mark/1.0/", "Public Domain Mark 1.0"),
}

ORGANISMS = {
    562: "Escherichia coli",
    1423: "Bacillus subtilis",
    3055: "Chlamydomonas reinhardtii",
    3702: "Arabidopsis thaliana",
    4081: "Solanum lycopersicum",
    4530: "Oryza sativa",
    4577: "Zea mays",
    4896: "Schizosaccharomyces pombe",
    4932: "Saccharomyces cerevisiae",
    5833: "Plasmodium falciparum",
    6239: "Caenorhabditis elegans",
    6359: "Platynereis dumerilii",
    7070: "Tribolium castaneum",
    7227: "Drosophila melanogaster",
    7460: "Apis mellifera",
    7955: "Danio rerio",
    8090: "Oryzias latipes",
    8355: "Xenopus laevis",
    8364: "Xenopus tropicalis",
    9031: "Gallus gallus",
    9544: "Macaca mulatta",
    9606: "Homo sapiens",
    9615: "Canis lupus familiaris",
    9685: "Felis catus",
    9796: "Equus caballus",
    9823: "Sus scrofa",
    9913: "Bos taurus",
    9940: "Ovis aries",
    9986: "Oryctolagus cuniculus",
    10090: "Mus musculus",
    10116: "Rattus norvegicus",
    10141: "Cavia porcellus",
    32630: "synthetic construct",
    44689: "Dictyostelium discoideum",
    45351: "Nematostella vectensis",
    83333: "Escherichia coli K-12",
}

MODALITIES = {
    "FBbi_00000222": "imaging method",
    "FBbi_00000240": "macroscopy",
    "FBbi_00000243": "bright-field microscopy",
    "FBbi_00000244": "dark-field microscopy",
    "FBbi_00000245": "differential interference contrast microscopy",
    "FBbi_00000246": "fluorescence microscopy",
    "FBbi_00000247": "phase contrast microscopy",
    "FBbi_00000249": "time lapse microscopy",
    "FBbi_00000251": "confocal microscopy",
    "FBbi_00000252": "single-spot confocal microscopy",
    "FBbi_00000253": "spinning disk confocal microscopy",
    "FBbi_00000254": "two-photon laser scanning microscopy",
    "FBbi_00000255": "multi-photon microscopy",
    "FBbi_00000256": "electron microscopy",
    "FBbi_00000257": "scanning electron microscopy (SEM)",
    "FBbi_00000258": "transmission electron microscopy",
    "FBbi_00000259": "atomic force microscopy",
    "FBbi_00000260": "X-ray microscopy",
    "FBbi_00000332": "structured illumination microscopy (SIM)",
    "FBbi_00000334": "stimulated emission depletion (STED)",
    "FBbi_00000335": "PALM (photoactivation localization microscopy)",
    "FBbi_00000336": "STORM (stochastic optical reconstruction microscopy)",
    "FBbi_00000345": "light microscopy",
    "FBbi_00000366": "FRAP",
    "FBbi_00000368": "fluorescence lifetime imaging microscopy",
    "FBbi_00000369": "selective plane illumination fluorescence microscopy",
    "FBbi_00000370": "coherent Raman anti-Stokes microscopy",
    "FBbi_00000371": "OCT",
    "FBbi_00000380": "scanning-transmission electron microscopy",
    "FBbi_00000585": "serial block face scanning electron microscopy",
    "FBbi_00000617": "evanescent wave microscopy",
    "FBbi_00001001": "X-ray radiography",
    "FBbi_00001002": "X-ray computed tomography",
    "FBbi_00001003": "X-ray tomography",
    "FBbi_00050000": "focused ion beam scanning electron microscopy",
    "FBbi_00100013": "wide-field fluorescence microscopy",
    "FBbi_00100014": "cryogenic transmission electron microscopy",
    "FBbi_00100015": "cryogenic electron tomography",
    "FBbi_00100016": "cryogenic scanning electron microscopy",
    "FBbi_00100017": "cryogenic focused ion beam scanning electron microscopy",
}


def organism_term(organism: str, where: str) -> tuple[str, str]:
    """Label and IRI of an NCBI taxon such as ``NCBI:txid9606``.

    Raises
    ------
    InputError
        It is not written so.
    """
    match = _ORGANISM.fullmatch(organism)
    if match is None:
        raise InputError(
            f"{where}: organism {organism!r} is not an NCBI taxon; write it as NCBI:txid9606"
        )
    taxon = int(match.group(1))
    return ORGANISMS.get(taxon, organism), f"{_OBO}NCBITaxon_{taxon}"


def modality_term(modality: str, where: str) -> tuple[str, str]:
    """Label and IRI of an FBbi term such as ``obo:FBbi_00000369``.

    Raises
    ------
    InputError
        It is not written so.
    """
    match = _MODALITY.fullmatch(modality)
    if match is None:
        raise InputError(
            f"{where}: modality {modality!r} is not an FBbi term; write it as obo:FBbi_00000369"
        )
    name = match.group(1)
    return MODALITIES.get(name, modality), f"{_OBO}{name}"


def license_term(text: str, where: str) -> tuple[str, str]:
    """URL and label of a license given as SPDX identifier or URL.

    Creative Commons licenses get the address under which everybody knows them, others that of
    the SPDX list; a URL stays as it is.

    Raises
    ------
    InputError
        It is neither.
    """
    if re.fullmatch(r"https?://[^\s<>\"]+", text):
        return text, text
    if text in _PUBLIC_DOMAIN:
        return _PUBLIC_DOMAIN[text]
    match = _CREATIVE_COMMONS.fullmatch(text)
    if match is not None:
        terms, version, port = match.groups()
        url = f"https://creativecommons.org/licenses/{terms.lower()}/{version}/"
        label = f"CC {terms} {version}"
        return (f"{url}{port.lower()}/", f"{label} {port}") if port else (url, label)
    if _SPDX.fullmatch(text):
        return f"https://spdx.org/licenses/{text}", text
    raise InputError(
        f"{where}: license {text!r} is neither an SPDX identifier (CC-BY-4.0) nor a URL"
    )
