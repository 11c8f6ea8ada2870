"""What a person sees: one plain page, without script, pictures or anything from elsewhere."""

import base64
import hashlib
from html import escape

STYLE = (
    ":root{color-scheme:light dark}*{box-sizing:border-box}"
    "body{font:1.0625rem/1.5 system-ui,sans-serif;margin:0;padding:1.25rem;display:grid;justify-content:center}"
    "main{width:100%;max-width:26rem;overflow-wrap:anywhere}h1{font-size:1.375rem;line-height:1.25}"
    "p{margin:.75rem 0}.ok{border-left:.3rem solid #0a7d33;padding-left:.75rem}"
    ".no{border-left:.3rem solid #c00;padding-left:.75rem}"
)
STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{STYLE_HASH}'; base-uri 'none'; form-action 'none';"
        " frame-ancestors 'none'; sandbox"
    ),
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "Strict-Transport-Security": "max-age=63072000",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex",
}


def page(title: str, *paragraphs: str, good: bool) -> str:
    """A whole document; every text is escaped."""
    text = "".join(f"<p>{escape(paragraph)}</p>" for paragraph in paragraphs)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>"
        f'<body><main><h1>{escape(title)}</h1><div class="{"ok" if good else "no"}" role="status">{text}</div></main>'
        "</body></html>"
    )
