# X and LinkedIn as they send webhooks, from nothing but Python's own library: asks whether the address is the
# application's, sends one delivery that it signs, and can kill the server as soon as it has answered.
#   hooks.py NETWORK HOST:PORT SECRET BODY [PID]
import base64
import hashlib
import hmac
import http.client
import json
import os
import secrets
import signal
import sys
import urllib.parse
import uuid

network, address, secret, body = sys.argv[1:5]
pid = int(sys.argv[5]) if len(sys.argv) > 5 else None


def sign(message):
    return hmac.new(secret.encode(), message, hashlib.sha256)


def ask(method, path, payload=None, headers={}):
    connection = http.client.HTTPConnection(address, timeout=20)
    connection.request(method, path, payload, headers)
    answer = connection.getresponse()
    if payload is not None and answer.status == 200 and pid is not None:
        os.kill(pid, signal.SIGKILL)
    return answer.status, answer.read()


def challenge():
    if network == "x":
        token = base64.b64encode(secrets.token_bytes(24)).decode()
        status, said = ask("GET", "/hooks/x?" + urllib.parse.urlencode({"crc_token": token}))
        right = "sha256=" + base64.b64encode(sign(token.encode()).digest()).decode()
        return status == 200 and hmac.compare_digest(json.loads(said)["response_token"], right)
    code = str(uuid.uuid4())
    status, said = ask("GET", "/hooks/linkedin?challengeCode=" + code)
    said = json.loads(said)
    right = sign(code.encode()).hexdigest()
    return status == 200 and said == {"challengeCode": code, "challengeResponse": right}


def deliver():
    raw = body.encode()
    if network == "x":
        signature = "sha256=" + base64.b64encode(sign(raw).digest()).decode()
        header = "x-twitter-webhooks-signature"
    else:
        signature = sign(b"hmacsha256=" + raw).hexdigest()
        header = "X-LI-Signature"
    return ask("POST", "/hooks/" + network, raw, {"Content-Type": "application/json", header: signature})[0]


print(json.dumps({"registered": challenge(), "delivered": deliver()}))
