"""Measurements -> DICOM Structured Report, TID 1500 (PS3.16), by highdicom.

Volume, mass, mean, median and standard deviation have codes of SNOMED CT and DICOM; emphysema
indices have none, so they stand under pleura's own scheme 99PLEURA, whose meanings say what they
are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pydicom.dataset import Dataset
from pydicom.sr.coding import Code

from pleura.measure.result import Measurement
from pleura.volume import Mask
from pleura.write.dicom.common import (
    LUNG,
    MANUFACTURER,
    Origin,
    Structure,
    series_number_of,
    structures_of,
)
from pleura.write.dicom.deidentify import mark_deidentified
from pleura.write.dicom.sources import SourceImages

if TYPE_CHECKING:
    from highdicom.seg import Segmentation
    from highdicom.sr import Comprehensive3DSR

SCHEME = "99PLEURA"

_ML, _G = Code("mL", "UCUM", "milliliter"), Code("g", "UCUM", "gram")
_HU, _PERCENT = Code("[hnsf'U]", "UCUM", "Hounsfield unit"), Code("%", "UCUM", "percent")
_ATTENUATION = Code("112031", "DCM", "Attenuation Coefficient")
_BOTH = Code("51440002", "SCT", "Right and left")
_CHEST_CT = Code("169069000", "SCT", "CT of chest")
_ORGAN = Code("91723000", "SCT", "Anatomical structure")
_YES_NO = {True: Code("373066001", "SCT", "Yes"), False: Code("373067005", "SCT", "No")}
_CUT_OFF = Code("CUT_OFF", SCHEME, "Lung reaches the edge of the scan")
_VERDICT = Code("VERDICT", SCHEME, "Verdict of pleura on scan and mask")
_VERDICTS = {
    "pass": Code("PASS", SCHEME, "Pass"),
    "warn": Code("WARN", SCHEME, "Warning: look at the findings"),
    "fail": Code("FAIL", SCHEME, "Fail: not to be trusted"),
}
# Column of `Measurement.rows` -> name, unit, derivation.
_MEASURES: Mapping[str, tuple[Code, Code, Code | None]] = {
    "volume_ml": (Code("118565006", "SCT", "Volume"), _ML, None),
    "mass_g": (Code("118538004", "SCT", "Mass"), _G, None),
    "mean_hu": (_ATTENUATION, _HU, Code("373098007", "SCT", "Mean")),
    "median_hu": (_ATTENUATION, _HU, Code("373099004", "SCT", "Median")),
    "sd_hu": (_ATTENUATION, _HU, Code("386136009", "SCT", "Standard Deviation")),
    "perc15_hu": (Code("PERC15", SCHEME, "15th percentile of attenuation"), _HU, None),
    "laa950_percent": (Code("LAA950", SCHEME, "Lung volume below -950 HU"), _PERCENT, None),
    "laa910_percent": (Code("LAA910", SCHEME, "Lung volume below -910 HU"), _PERCENT, None),
    "laa856_percent": (Code("LAA856", SCHEME, "Lung volume below -856 HU"), _PERCENT, None),
    "haa_percent": (Code("HAA", SCHEME, "Lung volume from -600 to -250 HU"), _PERCENT, None),
}


def measurement_report(
    found: Measurement, verdict: str, seg: Segmentation, mask: Mask, sources: SourceImages,
    origin: Origin,
) -> Comprehensive3DSR:  # fmt: skip
    """A measurement report: a group for each lung, which refers to its segment, and one for both.

    Args:
        found: measured on the scan and `mask`.
        verdict: pass, warn or fail, which goes with the group of both lungs.
        seg: the SEG object made from `mask`.
        sources: the scan's images, deidentified as those of `seg`.
        origin: the network.
    """
    import highdicom as hd

    structures = {
        s.name.split()[0].lower(): (number, s) for number, s in structures_of(mask).items()
    }
    groups: list[Any] = []
    for row in found.rows():
        if row["region"] != "all":
            continue
        number, structure = structures.get(str(row["structure"]), (None, None))
        if number is not None and not (mask.array == number).any():
            number = None  # a segment without frames can't be referred to
        groups.append(_group(row, number, structure, seg, verdict, origin))
    device = hd.sr.DeviceObserverIdentifyingAttributes(
        uid=hd.UID(),
        name="pleura",
        manufacturer_name=MANUFACTURER,
        model_name=f"{origin.model} {origin.version}",
        serial_number=origin.serial,
    )
    observer = hd.sr.ObserverContext(hd.sr.CodedConcept("121007", "DCM", "Device"), device)
    content = hd.sr.MeasurementReport(
        observation_context=hd.sr.ObservationContext(observer_device_context=observer),
        procedure_reported=_CHEST_CT,
        imaging_measurements=groups,
        title=Code("126000", "DCM", "Imaging Measurement Report"),
    )
    report = hd.sr.Comprehensive3DSR(
        evidence=[*sources.datasets, seg],
        content=content[0],
        series_instance_uid=hd.UID(),
        series_number=series_number_of(sources.first) + 1,
        sop_instance_uid=hd.UID(),
        instance_number=1,
        manufacturer=MANUFACTURER,
        is_complete=True,
    )
    scheme = Dataset()
    scheme.CodingSchemeDesignator, scheme.CodingSchemeName = SCHEME, "pleura's own codes"
    report.CodingSchemeIdentificationSequence = [scheme]
    report.SeriesDescription = f"pleura {origin.model} {origin.version} measurements"[:64]
    if origin.deidentify:
        mark_deidentified(report)
    return report


def _group(
    row: Mapping[str, object], number: int | None, structure: Structure | None,
    seg: Segmentation, verdict: str, origin: Origin,
) -> Any:  # fmt: skip
    import highdicom as hd

    evaluations = [hd.sr.QualitativeEvaluation(_CUT_OFF, _YES_NO[bool(row["cut_off"])])]
    if row["structure"] == "lungs":
        evaluations.append(hd.sr.QualitativeEvaluation(_VERDICT, _VERDICTS[verdict]))
    side = _BOTH if structure is None else structure.side
    name = f"{row['structure']} lung".replace("lungs lung", "lungs")
    common: dict[str, Any] = {
        "tracking_identifier": hd.sr.TrackingIdentifier(hd.UID(), name),
        "finding_category": _ORGAN,
        "finding_type": LUNG,
        "finding_sites": [hd.sr.FindingSite(LUNG, laterality=side)],
        "algorithm_id": hd.sr.AlgorithmIdentification(
            f"pleura {origin.model}", origin.version, [f"sha256 {origin.sha256}"]
        ),
        "measurements": list(_measurements(row)),
        "qualitative_evaluations": evaluations,
    }
    if number is None:
        return hd.sr.MeasurementsAndQualitativeEvaluations(**common)
    (series,) = seg.ReferencedSeriesSequence
    segment = hd.sr.ReferencedSegment(
        sop_class_uid=seg.SOPClassUID,
        sop_instance_uid=seg.SOPInstanceUID,
        segment_number=number,
        source_series=hd.sr.SourceSeriesForSegmentation(series.SeriesInstanceUID),
    )
    return hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
        referenced_segment=segment, **common
    )


def _measurements(row: Mapping[str, object]) -> Iterator[Any]:
    import highdicom as hd

    for column, (name, unit, derivation) in _MEASURES.items():
        value = row[column]
        if isinstance(value, float | int):  # None: nothing to measure in
            # Decimal strings hold 16 characters.
            yield hd.sr.Measurement(name, round(float(value), 4), unit, derivation=derivation)
