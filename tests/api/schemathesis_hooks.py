"""What schemathesis does not know by itself: the body of an upload in stretches is plain bytes, and the
bearer of an embedded page is renewed by the host's backend before its quarter of an hour is over."""

import json
import os
import urllib.request

import schemathesis

schemathesis.serializer.alias("application/offset+octet-stream", "application/octet-stream")

if "EMBED_URL" in os.environ:

    @schemathesis.auth(refresh_interval=300)
    class Page:
        def get(self, case, context):
            request = urllib.request.Request(
                os.environ["EMBED_URL"],
                data=os.environ["EMBED_BODY"].encode(),
                headers={
                    "Authorization": "Bearer " + os.environ["EMBED_KEY"],
                    "Content-Type": "application/json",
                },
            )
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with opener.open(request) as answer:
                return json.load(answer)["token"]

        def set(self, case, data, context):
            case.headers = case.headers or {}
            case.headers["Authorization"] = "Bearer " + data
