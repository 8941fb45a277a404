"""DICOMweb (PS3.18) in front of AWS HealthImaging, with HTJ2K frames of any resolution and a scope per person.

`python -m services.frame_proxy --config FILE` serves it; docs/DICOM_STREAMING.md has the conformance statement.
"""
