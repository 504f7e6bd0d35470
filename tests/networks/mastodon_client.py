# Drives a practice Mastodon with the client library Mastodon.py, unmodified.
# usage: mastodon_client.py BASE_URL TOKEN USERNAME; exit code 77: the library is not installed
import sys

try:
    import requests
    from mastodon import Mastodon, errors
except ImportError as missing:
    print(f"not installed: {missing}")
    sys.exit(77)

base, token, username = sys.argv[1:4]
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489"
    "0000000d49444154789c6360000002000001e221bc330000000049454e44ae426082"
)


def refused(kind, call):
    try:
        call()
    except kind as error:
        return str(error)
    raise AssertionError(f"not refused with {kind.__name__}")


def log_in_by_code(scopes):
    client_id, secret = Mastodon.create_app("Independent", scopes=scopes, api_base_url=base)
    client = Mastodon(client_id=client_id, client_secret=secret, api_base_url=base)
    url = client.auth_request_url(scopes=scopes, allow_http=True)
    page = requests.get(url, timeout=10)
    assert page.status_code == 200 and f"Authorize as {username}" in page.text, page.text
    form = dict(
        client_id=client_id,
        redirect_uri="urn:ietf:wg:oauth:2.0:oob",
        response_type="code",
        scope=" ".join(scopes),
        username=username,
    )
    answer = requests.post(f"{base}/oauth/authorize", data=form, timeout=10)
    code = answer.text.split('<code id="code">')[1].split("</code>")[0]
    client.log_in(code=code, scopes=scopes, allow_http=True)
    refused(
        errors.MastodonIllegalArgumentError,
        lambda: client.log_in(code=code, scopes=scopes, allow_http=True),
    )
    return client


client = Mastodon(access_token=token, api_base_url=base)
instance = client.instance()
assert instance.configuration.statuses.max_characters == 500, instance
assert client.retrieve_mastodon_version() == instance.version
me = client.account_verify_credentials()
assert me.username == username and me.source.privacy == "public", me
assert client.account(me.id).acct == username

first = client.status_post("One & two\n\nhttps://a.example/x #tag", idempotency_key="k1")
assert first.url == f"{base}/@{username}/{first.id}", first.url
assert first.content.startswith("<p>One &amp; two</p><p><a href="), first.content
again = client.status_post("Something else", idempotency_key="k1")
assert again.id == first.id and again.content == first.content
reply = client.status_post("Three", in_reply_to_id=first.id, visibility="unlisted")
assert reply.in_reply_to_id == first.id and reply.in_reply_to_account_id == me.id
assert client.status(first.id).replies_count == 1
listed = client.account_statuses(me.id, limit=5)
assert [s.id for s in listed] == [reply.id, first.id], listed
assert [s.id for s in client.account_statuses(me.id, since_id=first.id)] == [reply.id]
assert client.ratelimit_limit == 300 and client.ratelimit_remaining < 300

picture = client.media_post(PNG, mime_type="image/png", description="A dot")
assert client.media(picture.id).url == picture.url
shown = client.status_post("With a picture", media_ids=[picture.id])
assert shown.media_attachments[0].description == "A dot", shown
assert requests.get(picture.url, timeout=10).content == PNG
refused(errors.MastodonNotFoundError, lambda: client.media(picture.id))

client.status_delete(reply.id)
refused(errors.MastodonNotFoundError, lambda: client.status(reply.id))
text = refused(errors.MastodonAPIError, lambda: client.status_post("x" * 501))
assert "Validation failed: Text character limit of 500 exceeded" in text, text
text = refused(errors.MastodonAPIError, lambda: client.status_post(" "))
assert "Validation failed: Text can't be blank" in text, text
stranger = Mastodon(access_token="nobody", api_base_url=base)
text = refused(errors.MastodonUnauthorizedError, stranger.account_verify_credentials)
assert "The access token is invalid" in text, text

by_code = log_in_by_code(["read", "write"])
assert by_code.account_verify_credentials().id == me.id
posted = by_code.status_post("By code")
assert posted.application.name == "Independent", posted
reader = log_in_by_code(["read"])
text = refused(errors.MastodonAPIError, lambda: reader.status_post("No right"))
assert "outside the authorized scopes" in text, text
by_code.revoke_access_token(allow_http=True)
print("ok")
