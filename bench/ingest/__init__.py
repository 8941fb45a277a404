"""C-STORE ingest: the receiver against Orthanc and dcmtk's storescp."""
