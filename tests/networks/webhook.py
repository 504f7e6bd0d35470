# Verifies and makes Standard Webhooks with the library standardwebhooks, unmodified.
# usage: webhook.py verify SECRET | sign SECRET ID; exit code 77: the library is not installed.
# verify reads {"headers", "body"} from standard input; sign reads the body, and prints headers.
import json
import sys
from datetime import datetime, timezone

try:
    from standardwebhooks.webhooks import Webhook
except ImportError as missing:
    print(f"not installed: {missing}")
    sys.exit(77)

what, secret = sys.argv[1:3]
webhook = Webhook(secret)
if what == "verify":
    message = json.load(sys.stdin)
    print(json.dumps(webhook.verify(message["body"], message["headers"])))
else:
    now = datetime.now(tz=timezone.utc)
    headers = {
        "webhook-id": sys.argv[3],
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": webhook.sign(sys.argv[3], now, sys.stdin.read()),
    }
    print(json.dumps(headers))
