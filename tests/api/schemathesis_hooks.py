# What schemathesis does not know by itself: the body of an upload in stretches is plain bytes.
import schemathesis

schemathesis.serializer.alias("application/offset+octet-stream", "application/octet-stream")
