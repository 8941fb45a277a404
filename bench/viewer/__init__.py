"""How soon a reader sees what: our viewer against OHIF on Orthanc, network throttled."""
