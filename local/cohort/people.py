"""Invented patients: every name, number, date, address and institution here is made up."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import numpy as np

_FAMILY: Final = str.split(
    "Achterberg Bellweather Castellanos Drummond Eisenfeld Fairbrother Grunewald Hollingsworth Ibarrola Jankowiak "
    "Kettlewell Lindqvist Montefiore Norrington Okonjuwa Pellegrini Quennell Rasmussen Szymborski Thistlewood "
    "Ulrichsen Vandermeer Wintergreen Yarborough Zimmerhof Müllenbach Larriñaga Sørlund"
)
_GIVEN: Final = str.split(
    "Adelaide Bartholomew Clementine Demetrius Eleanora Florian Genevieve Horatio Isidora Jeremiah Katarzyna Leopold "
    "Marguerite Nathaniel Ottoline Percival Rosalind Sebastian Theodora Valentin Wilhelmina Xaverius Yolanda Zacharias"
)
_INSTITUTIONS: Final = (
    ("Kingsmere General Hospital", "41 Larkspur Rise, Kingsmere"),
    ("St. Osyth Memorial Clinic", "7 Cloister Walk, Osythford"),
    ("Northvale University Hospital", "1200 Northvale Parkway, Northvale"),
    ("Klinikum Birkenau Sued", "Ulmenallee 88, Birkenhausen"),
)
_ID_FORMS: Final = ("MRN{:08d}", "{:09d}", "KG-{:07d}", "P{:06d}/24")


@dataclass(frozen=True, kw_only=True)
class Person:
    """One invented patient with one study; dates as DICOM DA, times as TM."""

    patient_id: str
    name: str
    sex: str
    birth_date: str
    age: str
    phone: str
    study_date: str
    study_time: str
    accession: str
    physician: str
    operator: str
    institution: str
    address: str
    study_id: str
    weight_kg: float


def draw_person(rng: np.random.Generator, number: int) -> Person:
    """Invented patient `number`; the number keeps IDs apart within a cohort."""
    family, given = str(rng.choice(_FAMILY)), str(rng.choice(_GIVEN))
    institution, address = _INSTITUTIONS[int(rng.integers(len(_INSTITUTIONS)))]
    study = date(2024, 1, 1) + timedelta(days=int(rng.integers(0, 900)))
    years = int(np.clip(rng.normal(62, 17), 19, 97))
    birth = date(study.year - years, 1, 1) - timedelta(days=int(rng.integers(0, 360)))
    serial = 1_000_000 * int(rng.integers(1, 9)) + 7_919 * (number + 1) % 1_000_000
    digits = 999_999 if number % len(_ID_FORMS) == 3 else 9_999_999
    return Person(
        patient_id=_ID_FORMS[number % len(_ID_FORMS)].format(serial % digits),
        name=f"{family}^{given}^{chr(65 + int(rng.integers(26)))}",
        sex=str(rng.choice(["F", "M"])),
        birth_date=f"{birth:%Y%m%d}",
        age=f"{study.year - birth.year:03d}Y",
        phone=f"+00 555 {int(rng.integers(100, 999))} {int(rng.integers(1000, 9999))}",
        study_date=f"{study:%Y%m%d}",
        study_time=f"{int(rng.integers(6, 22)):02d}{int(rng.integers(60)):02d}{int(rng.integers(60)):02d}",
        accession=f"A{int(rng.integers(10**8, 10**9))}",
        physician=f"{rng.choice(_FAMILY)}^{rng.choice(_GIVEN)}^^Dr.",
        operator=f"{rng.choice(_FAMILY)}^{rng.choice(_GIVEN)}",
        institution=institution,
        address=address,
        study_id=f"{int(rng.integers(10**5, 10**6))}",
        weight_kg=round(float(rng.uniform(48, 112)), 1),
    )
