"""The model's answer as DICOM objects for the PACS: a structured report, and a secondary capture of its heat map."""
