# Drives a practice X with the client library tweepy, unmodified: its session sends to another
# address what it has signed for api.twitter.com.
# usage: x_client.py BASE_URL FOUR_KEYS USERNAME; exit code 77: the library is not installed
import datetime
import sys

try:
    import requests
    import tweepy
except ImportError as missing:
    print(f"not installed: {missing}")
    sys.exit(77)

base, keys, username = sys.argv[1:4]
THERE = "https://api.twitter.com"


class Elsewhere(requests.adapters.HTTPAdapter):
    def send(self, request, **kwargs):
        assert request.url.startswith(THERE), request.url
        request.url = base + request.url[len(THERE) :]
        return super().send(request, **kwargs)


def client(keys):
    key, secret, token, token_secret = keys.split(":")
    made = tweepy.Client(
        consumer_key=key,
        consumer_secret=secret,
        access_token=token,
        access_token_secret=token_secret,
    )
    made.session.mount(THERE, Elsewhere())
    return made


def refused(kind, call, words=""):
    try:
        call()
    except kind as error:
        assert words in str(error), error
        return error
    raise AssertionError(f"not refused with {kind.__name__}")


refused(tweepy.Unauthorized, lambda: client(keys + "x").get_me())
x = client(keys)
me = x.get_me(user_fields=["id", "username", "subscription_type"]).data
assert me.username == username and me.subscription_type == "None", me

root = x.create_tweet(text="Fish & chips, see https://example.com/menu").data
assert root["text"].startswith("Fish &amp; chips, see https://t.co/"), root
reply = x.create_tweet(text="and more", in_reply_to_tweet_id=root["id"]).data
refused(tweepy.Forbidden, lambda: x.create_tweet(text="and more", in_reply_to_tweet_id=root["id"]),
        "duplicate content")
refused(tweepy.Forbidden, lambda: x.create_tweet(text="\u3042" * 141), "not permitted")
refused(tweepy.BadRequest, lambda: x.create_tweet(text="a", reply_settings="nobody"))
refused(tweepy.Forbidden, lambda: x.create_tweet(text="b", in_reply_to_tweet_id="1"), "deleted")

hour = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(hours=1)
listed = x.get_users_tweets(
    me.id,
    user_auth=True,
    max_results=5,
    start_time=hour,
    tweet_fields=["created_at", "entities", "referenced_tweets"],
).data
assert [str(post.id) for post in listed] == [reply["id"], root["id"]], listed
assert listed[0].referenced_tweets[0].id == int(root["id"]), listed[0]
assert listed[1].entities["urls"][0]["expanded_url"] == "https://example.com/menu"
assert x.delete_tweet(reply["id"]).data["deleted"]
refused(tweepy.NotFound, lambda: x.delete_tweet(reply["id"]))
