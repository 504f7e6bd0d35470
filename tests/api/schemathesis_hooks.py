# What schemathesis does not know by itself: the body of an upload in stretches is plain bytes.
from schemathesis.transport.requests import REQUESTS_TRANSPORT

REQUESTS_TRANSPORT.alias("application/offset+octet-stream", "application/octet-stream")
