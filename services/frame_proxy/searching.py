"""QIDO-RS resources (PS3.18 10.6)."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

import orjson
from starlette.responses import Response

from services.frame_proxy import negotiate, responses, search
from services.frame_proxy.call import Call
from services.frame_proxy.directory import ImageSet, require_listed
from services.frame_proxy.image_sets import Packed


async def _query(call: Call) -> search.Query:
    request = call.request
    parameters = [(str(name), str(value)) for name, value in request.query_params.multi_items()]
    query = search.parse(parameters, identifying_allowed=call.services.settings.identifying_search_keys)
    if request.method != "POST":
        return query
    # not request.form(): that asks for a library of multipart forms, which no search uses
    fields = parse_qsl((await request.body()).decode("latin-1"), keep_blank_values=True)
    return search.parse([*parameters, *fields], identifying_allowed=True)


def _found(call: Call, objects: list[dict[str, Any]]) -> Response:
    return responses.packed(call.request, Packed(orjson.dumps(objects)), negotiate.json_type(call.accept))


async def search_studies(call: Call) -> Response:
    """GET or POST /studies."""
    query = await _query(call)
    require_listed(call.services.directory)
    url = call.services.studies_url
    visible = await call.services.visible(call.person)
    objects = [search.study(rows, f"{url}/{rows[0].study_uid}") for rows in visible]
    objects.sort(key=lambda one: (_first(one, "00080020"), _first(one, "00080030")), reverse=True)
    found = search.matched(query, objects, search.STUDY_KEYS)
    await call.audited(
        "", {call.services.pseudonymizer.pseudonym("study", _first(one, "0020000D")): 1 for one in found}
    )
    return _found(call, found)


async def search_series(call: Call) -> Response:
    """GET or POST /series, /studies/{study}/series."""
    query = await _query(call)
    url = call.services.studies_url
    if not call.path("study"):
        require_listed(call.services.directory)
        rows = [row for rows in await call.services.visible(call.person) for row in rows]
        objects = [search.series_of_row(row, _series_url(url, row)) for row in rows]
        found = search.matched(query, objects, search.ROW_SERIES_KEYS)
        await call.audited("", {row.study_key: 1 for row in rows})
        return _found(call, found)
    study = await call.study()
    every = await call.services.all_series(study)
    objects = [
        search.series(
            next(iter(one.instances.values())),
            len(one.instances),
            f"{url}/{study.uid}/series/{one.uid}",
            query.fields or frozenset(),
        )
        for _, one in every
        if one.instances
    ]
    found = search.matched(query, objects, search.SERIES_KEYS)
    await call.audited(study.study_key)
    return _found(call, found)


async def search_instances(call: Call) -> Response:
    """GET or POST /studies/{study}/instances, /studies/{study}/series/{series}/instances."""
    query = await _query(call)
    study = await call.study()
    pairs = (
        await call.services.series(study, call.path("series"))
        if call.path("series")
        else await call.services.all_series(study)
    )
    url = f"{call.services.studies_url}/{study.uid}/series"
    objects = [
        search.instance(each, f"{url}/{one.uid}/instances/{each.uid}", query.fields)
        for _, one in pairs
        for each in one.instances.values()
    ]
    found = search.matched(query, objects, search.INSTANCE_KEYS)
    await call.audited(study.study_key)
    return _found(call, found)


def _series_url(url: str, row: ImageSet) -> str:
    return f"{url}/{row.study_uid}/series/{row.tags.get('DICOMSeriesInstanceUID', '')}"


def _first(one: dict[str, Any], tag: str) -> str:
    values: list[Any] = one.get(tag, {}).get("Value") or [""]
    return str(values[0])
