"""`python -m local train COHORT`: any folder of DICOM studies with labels.csv, through the way of the data."""
