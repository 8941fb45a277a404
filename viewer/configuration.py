"""app-config.js from a stack's outputs: one data source, sign-in, progressive loading, our panel.

Sources that fetch whatever address a URL names (`dicomjson`, `dicomwebproxy`), local files, `?customization=` and
`configUrl` are not configured, which switches them off (the class of CVE-2026-12473).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from viewer import release

DICOMWEB: Final = "/dicom-web"
API: Final = "/api"
EXTENSION: Final = "/platform/extension.js"
SCRIPTS: Final = tuple(Path(__file__).with_name(name) for name in ("sign_in.js", "ahead.js"))
"""What runs before OHIF is there, in this order."""
# the frame cut after its fourth resolution of six: 128 pixels of a 512 slice, some 15 KB (level 2 of the decoder)
LOW_RESOLUTION: Final = 3
LOW_DECODE_LEVEL: Final = 2
SUBRESOLUTION: Final = 6
"""Cornerstone's ImageQualityStatus: without it a partial picture would count as the full one and stay."""


@dataclass(frozen=True, kw_only=True)
class SignIn:
    """Cognito as the viewer sees it.

    Attributes:
        issuer: the pool's issuer.
        client_id: the viewer's app client.
        authorize_origin: origin of the sign-in page; a navigation, so no rule of connect-src is needed for it.
    """

    issuer: str
    client_id: str
    authorize_origin: str


def text(origin: str, sign_in: SignIn) -> str:
    """The file, with the scripts that sign in and fetch ahead before OHIF is there."""
    made = json.dumps(config(origin, sign_in), indent=1, sort_keys=True)
    return "\n".join([f"window.config = {made};", *(script.read_text() for script in SCRIPTS)])


def config(origin: str, sign_in: SignIn) -> dict[str, Any]:
    """The configuration as data; OHIF reads nothing else."""
    return {
        "name": "platform",
        "routerBasename": "/",
        "modes": [],
        "extensions": [EXTENSION],
        "customizationService": _customizations(),
        "showStudyList": True,
        "maxNumberOfWebWorkers": 3,
        "showWarningMessageForCrossOrigin": False,
        "showCPUFallbackMessage": True,
        "showLoadingIndicator": True,
        "strictZSpacingForVolumeViewport": True,
        "groupEnabledModesFirst": True,
        "maxNumRequests": {"interaction": 100, "thumbnail": 5, "prefetch": 10},
        "showErrorDetails": "never",
        "investigationalUseDialog": {"option": "never"},
        "defaultDataSourceName": "platform",
        "dataSources": [_data_source()],
        "oidc": [_oidc(origin, sign_in)],
        "platform": {"api": API, "volume": _volume_retrieval(), "ahead": _ahead()},
    }


def _ahead() -> list[str]:
    """What a study's first picture waits for after the main bundle, in the order in which it is needed."""
    pin = release.pinned()
    first, *others = pin["opening"]
    return [f"/{name}" for name in (first, *release.extension(), *others, *pin["decoder"])]


def _customizations() -> dict[str, Any]:
    button = {
        "id": "VerifyGroundTruth",
        "uiType": "ohif.toolButton",
        "props": {
            "icon": "checkbox-checked",
            "label": "VERIFY AS GROUND TRUTH",
            "tooltip": "Ground truth (Alt+G)",
            "commands": "openGroundTruth",
            "evaluate": "evaluate.action",
        },
    }
    return {
        "mode": {
            "*": {
                "rightPanels": {"$push": ["platform.panelModule.ground-truth"]},
                "toolbarButtons": {"$push": [button]},
            }
        },
        "global": {"cornerstone.toolbarSections": {"primary": {"$push": ["VerifyGroundTruth"]}}},
    }


def _data_source() -> dict[str, Any]:
    return {
        "namespace": "@ohif/extension-default.dataSourcesModule.dicomweb",
        "sourceName": "platform",
        "configuration": {
            "friendlyName": "HealthImaging",
            "name": "platform",
            "qidoRoot": DICOMWEB,
            "wadoRoot": DICOMWEB,
            "wadoUriRoot": DICOMWEB,
            "qidoSupportsIncludeField": False,
            "imageRendering": "wadors",
            "thumbnailRendering": "wadors",
            "enableStudyLazyLoad": True,
            "supportsFuzzyMatching": False,
            "supportsWildcard": True,
            "supportsReject": False,
            "staticWado": False,
            "singlepart": "bulkdata,video",
            "bulkDataURI": {"enabled": True, "relativeResolution": "studies"},
            "omitQuotationForMultipartRequest": True,
            "stackRetrieveOptions": {"$set": _stack_retrieval()},
        },
    }


def _partial() -> dict[str, Any]:
    return {
        "urlArguments": f"resolution={LOW_RESOLUTION}",
        "decodeLevel": LOW_DECODE_LEVEL,
        "imageQualityStatus": SUBRESOLUTION,
    }


def _stack_retrieval() -> dict[str, Any]:
    """A small picture first, then the whole frame. Prefetching takes the first key, so the small pictures."""
    return {
        "stages": [
            {"id": "low", "retrieveType": "singleFast"},
            {"id": "full", "retrieveType": "singleFinal"},
        ],
        "retrieveOptions": {"singleFast": _partial(), "singleFinal": {"streaming": False}},
    }


def _volume_retrieval() -> dict[str, Any]:
    """The same for volumes, which have no option of their own: the extension hands it to Cornerstone."""
    return {
        "stages": [
            {"id": "low", "retrieveType": "multipleFast", "requestType": "thumbnail", "priority": 5},
            {"id": "full", "retrieveType": "multipleFinal", "requestType": "thumbnail", "priority": 9},
        ],
        "retrieveOptions": {"multipleFast": _partial(), "multipleFinal": {"streaming": False}},
    }


def _oidc(origin: str, sign_in: SignIn) -> dict[str, Any]:
    """Code flow with PKCE, renewed by refresh tokens; no iframe, since OHIF's silent page loads foreign scripts."""
    sign_out = f"{sign_in.authorize_origin}/logout?client_id={sign_in.client_id}&logout_uri={origin}/"
    return {
        "authority": sign_in.issuer,
        "client_id": sign_in.client_id,
        "redirect_uri": "/callback",
        "response_type": "code",
        "scope": "openid profile email",
        "post_logout_redirect_uri": "/",
        "loadUserInfo": False,
        "revokeAccessTokenOnSignout": False,
        "metadata": {
            "issuer": sign_in.issuer,
            "authorization_endpoint": f"{sign_in.authorize_origin}/oauth2/authorize",
            "token_endpoint": f"{origin}/oauth2/token",
            "revocation_endpoint": f"{origin}/oauth2/revoke",
            "end_session_endpoint": sign_out,
        },
    }
