# Drives a practice LinkedIn with LinkedIn's own client library, unmodified: its session sends to
# another address what it has made for api.linkedin.com and www.linkedin.com.
# usage: linkedin_client.py BASE_URL TOKEN NUMBER_OF_A_PAGE; exit code 77: the library is not installed
import sys

try:
    import requests
    from linkedin_api.clients.restli.client import RestliClient
    from linkedin_api.common.errors import ResponseFormattingError
except ImportError as missing:
    print(f"not installed: {missing}")
    sys.exit(77)

base, token, page = sys.argv[1:4]
VERSION = "202607"


class Elsewhere(requests.adapters.HTTPAdapter):
    def __init__(self, there):
        self.there = there
        super().__init__()

    def send(self, request, **kwargs):
        assert request.url.startswith(self.there), request.url
        request.url = base + request.url[len(self.there) :]
        return super().send(request, **kwargs)


client = RestliClient()
for there in ["https://api.linkedin.com", "https://www.linkedin.com"]:
    client.session.mount(there, Elsewhere(there))

me = client.get(resource_path="/userinfo", access_token=token).entity
assert me["name"] == "ann", me
bad = client.get(resource_path="/userinfo", access_token="wrong")
assert (bad.status_code, bad.entity["serviceErrorCode"]) == (401, 65600), bad.entity

roles = client.finder(
    resource_path="/organizationAcls",
    finder_name="roleAssignee",
    query_params={"state": "APPROVED"},
    access_token=token,
    version_string=VERSION,
)
administered = [of["organization"] for of in roles.elements if of["role"] == "ADMINISTRATOR"]
author = f"urn:li:organization:{page}"
assert administered == [author], roles.elements
shown = client.get(
    resource_path="/organizations/{id}",
    path_keys={"id": int(page)},
    access_token=token,
    version_string=VERSION,
).entity
assert shown["vanityName"] == f"company-{page}", shown


def post(text, content=None, version=VERSION):
    entity = {
        "author": author,
        "commentary": text,
        "visibility": "PUBLIC",
        "distribution": {
            "feedDistribution": "MAIN_FEED",
            "targetEntities": [],
            "thirdPartyDistributionChannels": [],
        },
        "lifecycleState": "PUBLISHED",
        "isReshareDisabledByAuthor": False,
    }
    if content:
        entity["content"] = content
    return client.create(
        resource_path="/posts", entity=entity, access_token=token, version_string=version
    )


def upload(kind, body):
    begun = client.action(
        resource_path=f"/{kind}s",
        action_name="initializeUpload",
        action_params={"initializeUploadRequest": {"owner": author}},
        access_token=token,
        version_string=VERSION,
    ).value
    put = requests.put(
        begun["uploadUrl"], data=body, headers={"Authorization": f"Bearer {token}"}, timeout=10
    )
    assert put.status_code == 201, put.text
    return begun[kind]


made = post("We moved (now)")
# What has a meaning and is not escaped cuts the text short, and the answer is 201 all the same.
assert made.status_code == 201 and made.decoded_entity_id.startswith("urn:li:share:"), made
again = post("We moved (now)")
assert again.status_code == 422, again.status_code
for version, status in [("202501", 426), ("209901", 426)]:
    assert post("old", version=version).status_code == status, version

image = upload("image", b"\x89PNG")
shown = post("A picture", {"media": {"id": image, "altText": "A menu"}})
assert shown.status_code == 201, shown.status_code
urn = shown.decoded_entity_id
document = upload("document", b"%PDF-1.4")
state = client.get(
    resource_path="/documents/{urn}",
    path_keys={"urn": document},
    access_token=token,
    version_string=VERSION,
).entity
assert state["status"] == "AVAILABLE", state
shown = post("A document", {"media": {"id": document, "title": "Menu"}})
assert shown.status_code == 201, shown.status_code

comment = client.create(
    resource_path="/socialActions/{urn}/comments",
    path_keys={"urn": urn},
    entity={"actor": author, "object": urn, "message": {"text": "Thanks (all)"}},
    access_token=token,
    version_string=VERSION,
)
assert comment.status_code == 201 and comment.entity_id.isdigit(), comment.entity_id
comments = client.get_all(
    resource_path="/socialActions/{urn}/comments",
    path_keys={"urn": urn},
    access_token=token,
    version_string=VERSION,
)
assert [of["message"]["text"] for of in comments.elements] == ["Thanks (all)"], comments.elements

listed = client.finder(
    resource_path="/posts",
    finder_name="author",
    query_params={"author": author, "count": 10},
    access_token=token,
    version_string=VERSION,
)
words = [of["commentary"] for of in listed.elements]
assert words == ["A document", "A picture", "We moved (now)"], words
