"""DICOM receiver: C-STORE over TLS into S3 or a folder, where an acknowledgement means that the object is durable.

`python -m services.store_scp --config FILE` runs it. What it does on the wire is stated, line by line with the test
that proves it, in docs/DICOM_CONFORMANCE.md.
"""
