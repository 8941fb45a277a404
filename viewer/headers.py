"""Security headers of everything that the viewer's origin serves; CloudFront and the local door send the same.

The page may load code from its own origin only, and talk to nothing else. COOP and COEP isolate it from other pages,
which also gives SharedArrayBuffer to the volume loaders. `style-src` allows inline styles: OHIF sets them on elements.
"""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path
from typing import Final

HSTS: Final = "max-age=63072000; includeSubDomains; preload"
IMMUTABLE: Final = "public, max-age=31536000, immutable"
REVALIDATE: Final = "no-cache"
WORKER_POLICY: Final = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval' 'unsafe-eval'; connect-src 'self'; worker-src 'self'"
)
_INLINE_SCRIPT: Final = re.compile(r"<script>(.*?)</script>", re.DOTALL)

FIXED: Final = {
    "Strict-Transport-Security": HSTS,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",  # a referrer would carry study UIDs
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


def inline_hashes(page: str) -> list[str]:
    """CSP sources of the inline scripts that OHIF's page has: these very texts may run, no other."""
    return [f"'sha256-{_digest(text)}'" for text in _INLINE_SCRIPT.findall(page)]


def content_security_policy(page: str, sign_in_origin: str = "") -> str:
    """The policy for OHIF's page (CSP level 3).

    Args:
        page: text of index.html.
        sign_in_origin: where the sign-in page lives when it is not the viewer's own origin.
    """
    scripts = " ".join(["'self'", "'wasm-unsafe-eval'", *inline_hashes(page)])
    directives = {
        "default-src": "'none'",
        "script-src": scripts,
        "style-src": "'self' 'unsafe-inline'",
        "img-src": "'self' data: blob:",
        "font-src": "'self' data:",
        "connect-src": "'self'",
        "worker-src": "'self' blob:",
        "manifest-src": "'self'",
        "frame-src": "'none'",
        "object-src": "'none'",
        "base-uri": "'none'",
        "form-action": f"'self' {sign_in_origin}".strip(),
        "frame-ancestors": "'none'",
    }
    return "; ".join(f"{name} {value}" for name, value in directives.items())


def page_headers(index: Path, sign_in_origin: str = "") -> dict[str, str]:
    """Headers of everything but scripts, by name."""
    return {"Content-Security-Policy": content_security_policy(index.read_text(), sign_in_origin), **FIXED}


def script_headers() -> dict[str, str]:
    """Headers of scripts. A policy on a script counts only where the script is a worker of its own.

    OHIF's decoders (Emscripten) make functions from text. They do so in workers, which have no page to reach: there it
    is allowed, in the page it is not.
    """
    return {"Content-Security-Policy": WORKER_POLICY, **FIXED}


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
