"""The DICOM library of the platform: parse, validate, de-identify, render; no AWS, no infrastructure.

Importing a module here loads pydicom at most. Pixels are another matter: `imaging.htj2k` and `imaging.render`
load numpy and imagecodecs when they are called.
"""

__version__ = "0.1.0"
