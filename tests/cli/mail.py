# A mail server that others wrote, with TLS by a certificate of its own: `smtps` from the first byte, or STARTTLS,
# which it asks for. Takes mail only from "carillon" with the password in argv[2]. Prints its port, the file of the
# authority that signed its certificate, and then each letter as a line of JSON.
import asyncio
import email
import email.policy
import json
import ssl
import sys

import trustme
from aiosmtpd.smtp import SMTP, AuthResult

kind, password, folder = sys.argv[1:4]
authority = trustme.CA()
context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
authority.issue_cert("localhost", "0.0.0.0").configure_cert(context)
authority.cert_pem.write_to_path(f"{folder}/ca.pem")


def known(server, session, envelope, mechanism, data):
    # Not handled: it says so itself.
    right = (data.login, data.password) == (b"carillon", password.encode())
    return AuthResult(success=right, handled=False)


class Handler:
    async def handle_DATA(self, server, session, envelope):
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        print(json.dumps({
            "from": envelope.mail_from, "to": envelope.rcpt_tos, "tls": kind == "smtps" or session.ssl is not None,
            "subject": message["subject"], "text": message.get_content(),
            "defects": [str(d) for d in message.defects],
        }), flush=True)
        return "250 taken"


def server():
    more = {"tls_context": context, "require_starttls": True} if kind == "smtp" else {}
    # With TLS from the first byte aiosmtpd does not know that there is any.
    return SMTP(Handler(), authenticator=known, auth_required=True, auth_require_tls=kind == "smtp", **more)


async def main():
    tls = context if kind == "smtps" else None
    made = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0, ssl=tls)
    print(f"port {made.sockets[0].getsockname()[1]}", flush=True)
    await made.serve_forever()


asyncio.run(main())
