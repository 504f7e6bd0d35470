# Drives a practice Bluesky with the client library atproto, unmodified.
# usage: bluesky_client.py BASE_URL HANDLE APP_PASSWORD; exit code 77: the library is not installed
import sys

try:
    from atproto import Client, client_utils, models
    from atproto.exceptions import BadRequestError, RequestException, UnauthorizedError
except ImportError as missing:
    print(f"not installed: {missing}")
    sys.exit(77)

base, handle, password = sys.argv[1:4]
POSTS = "app.bsky.feed.post"
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489"
    "0000000d49444154789c6360000002000001e221bc330000000049454e44ae426082"
)


def refused(kind, name, call):
    try:
        call()
    except kind as error:
        assert error.response.content.error == name, error.response
        return
    raise AssertionError(f"not refused with {kind.__name__}")


refused(
    UnauthorizedError,
    "AuthenticationRequired",
    lambda: Client(base).login(handle, "wrong"),
)
client = Client(base)
me = client.login(handle, password)
assert me.handle == handle and me.did.startswith("did:plc:"), me
assert client.com.atproto.server.get_session().did == me.did
assert client.resolve_handle(handle).did == me.did

text = (
    client_utils.TextBuilder()
    .text("Caf\u00e9 \U0001f950 ")
    .mention(f"@{handle}", me.did)
    .text(" ")
    .link("a link", "https://a.example/x")
    .text(" ")
    .tag("#bread", "bread")
)
root = client.send_post(text, langs=["en", "de"])
parent = models.create_strong_ref(root)
reply = client.send_post("and more", reply_to=models.AppBskyFeedPost.ReplyRef(root=parent, parent=parent))
image = client.send_image("a picture", PNG, "a grey square")

key = root.uri.split("/")[-1]
record = client.get_post(key)
assert record.cid == root.cid and record.value.text == text.build_text(), record
assert len(record.value.facets) == 3, record.value.facets
listed = client.com.atproto.repo.list_records({"repo": me.did, "collection": POSTS})
assert {r.uri for r in listed.records} == {root.uri, reply.uri, image.uri}


def create(rkey, record):
    data = {"repo": me.did, "collection": POSTS, "rkey": rkey, "record": record}
    return client.com.atproto.repo.create_record(data)


now = client.get_current_time_iso()
refused(RequestException, "InternalServerError", lambda: create(key, record.value))
for rkey, text in [(key, "x" * 301), ("not-a-tid", "x")]:
    wrong = models.AppBskyFeedPost.Record(text=text, created_at=now)
    refused(BadRequestError, "InvalidRequest", lambda r=rkey, w=wrong: create(r, w))
refused(BadRequestError, "RecordNotFound", lambda: client.get_post("3mabcdefghijk"))

session = client.export_session_string()
again = Client(base)
again.login(session_string=session)
assert again.me.did == me.did
first = client.com.atproto.server.refresh_session(
    headers={"Authorization": f"Bearer {client._session.refresh_jwt}"}
)
second = client.com.atproto.server.refresh_session(
    headers={"Authorization": f"Bearer {client._session.refresh_jwt}"}
)
assert first.refresh_jwt == second.refresh_jwt != client._session.refresh_jwt

assert client.delete_post(reply.uri)
refused(BadRequestError, "RecordNotFound", lambda: client.get_post(reply.uri.split("/")[-1]))
