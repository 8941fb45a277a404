"""Invented patients are plausible and never share an ID."""

from datetime import datetime

import numpy as np

from local.cohort.people import draw_person


def test_people_are_plausible_and_distinct() -> None:
    people = [draw_person(np.random.default_rng([1, number]), number) for number in range(300)]
    assert len({person.patient_id for person in people}) == 300
    for person in people:
        born, seen = (datetime.strptime(day, "%Y%m%d") for day in (person.birth_date, person.study_date))
        assert 18 <= (seen - born).days / 365.25 <= 100
        assert len(person.patient_id) <= 64
        assert person.phone.startswith("+00 555"), "no real country and the exchange of fiction"
    assert any(int(person.age[:3]) > 89 for person in people), "the oldest category has to be met"
