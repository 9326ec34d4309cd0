"""The format of an HTTP archive, version 1.2, as a JSON schema."""

from __future__ import annotations

from typing import Any


def _object(required: dict[str, Any], **optional: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "required": list(required),
        "properties": {**required, **optional},
        # Names of one's own begin with an underscore.
        "patternProperties": {"^_": {}},
        "additionalProperties": False,
    }


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


TEXT = {"type": "string"}
COUNT = {"type": "integer", "minimum": -1}
MILLISECONDS = {"type": "number", "minimum": 0}
MOMENT = {
    "type": "string",
    "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$",
}
PAIR = _object({"name": TEXT, "value": TEXT}, comment=TEXT)
COOKIE = _object(
    {"name": TEXT, "value": TEXT},
    path=TEXT,
    domain=TEXT,
    expires=MOMENT,
    httpOnly={"type": "boolean"},
    secure={"type": "boolean"},
    comment=TEXT,
)
POST_DATA = _object({"mimeType": TEXT, "text": TEXT}, params=_list(PAIR), comment=TEXT)
REQUEST = _object(
    {
        "method": TEXT,
        "url": {"type": "string", "pattern": "^(http|ws)s?://"},
        "httpVersion": TEXT,
        "cookies": _list(COOKIE),
        "headers": _list(PAIR),
        "queryString": _list(PAIR),
        "headersSize": COUNT,
        "bodySize": COUNT,
    },
    postData=POST_DATA,
    comment=TEXT,
)
CONTENT = _object(
    {"size": COUNT, "mimeType": TEXT},
    compression={"type": "integer"},
    text=TEXT,
    encoding=TEXT,
    comment=TEXT,
)
RESPONSE = _object(
    {
        "status": COUNT,
        "statusText": TEXT,
        "httpVersion": TEXT,
        "cookies": _list(COOKIE),
        "headers": _list(PAIR),
        "content": CONTENT,
        "redirectURL": TEXT,
        "headersSize": COUNT,
        "bodySize": COUNT,
    },
    comment=TEXT,
)
ENTRY = _object(
    {
        "startedDateTime": MOMENT,
        "time": MILLISECONDS,
        "request": REQUEST,
        "response": RESPONSE,
        "cache": {"type": "object"},
        "timings": _object({"send": MILLISECONDS, "wait": MILLISECONDS, "receive": MILLISECONDS}),
    },
    serverIPAddress=TEXT,
    connection=TEXT,
    pageref=TEXT,
    comment=TEXT,
    # What browsers read of a WebSocket.
    _webSocketMessages=_list(
        _object(
            {
                "type": {"enum": ["send", "receive"]},
                "time": {"type": "number", "exclusiveMinimum": 1_000_000_000},
                "opcode": {"enum": [1, 2, 8]},
                "data": TEXT,
            }
        )
    ),
)
HAR_SCHEMA = _object(
    {
        "log": _object(
            {
                "version": {"const": "1.2"},
                "creator": _object({"name": TEXT, "version": TEXT}),
                "entries": _list(ENTRY),
            },
            comment=TEXT,
        )
    }
)
