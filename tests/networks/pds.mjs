// A real Bluesky server (PDS) with the directory that it needs, both on loopback and in memory or
// a temporary folder. Prints one line of JSON when it is ready, and ends with its standard input.
// Then one line for each upload and each record that is asked for; GET /_hang/METHOD makes it never
// answer the next call of that method.
// usage: node pds.mjs FOLDER, where `npm i @atproto/pds @did-plc/server` ran; Node 22 or newer
import crypto from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import { createRequire } from 'node:module';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';

const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (...args) {
  if (typeof args[0] === 'object' && args[0]?.port !== undefined) {
    args[0] = { ...args[0], host: '127.0.0.1' };
  } else if (/^\d+$/.test(String(args[0]))) {
    args.splice(1, typeof args[1] === 'string' ? 1 : 0, '127.0.0.1');
  }
  return listen.apply(this, args);
};

let hang;
const emit = http.Server.prototype.emit;
http.Server.prototype.emit = function (event, request, response) {
  const [, , method] = (event === 'request' && request.url.split('/')) || [];
  if (event === 'request' && request.url.startsWith('/_hang/')) {
    hang = method;
    return response.end();
  }
  if (/\.(uploadBlob|putRecord)$/.test(method ?? '')) {
    console.log(method);
    if (hang === method) {
      hang = undefined;
      return request.resume();
    }
  }
  return emit.apply(this, arguments);
};

const freePort = () =>
  new Promise((resolve) => {
    const probe = net.createServer().listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });

const require = createRequire(path.join(path.resolve(process.argv[2]), 'x.js'));
const { PlcServer, Database } = require('@did-plc/server');
const plcPort = await freePort();
const plc = PlcServer.create({ db: Database.mock(), port: plcPort });
await plc.start();

const data = fs.mkdtempSync(path.join(os.tmpdir(), 'carillon-pds-'));
process.on('exit', () => fs.rmSync(data, { recursive: true, force: true }));
for (const folder of ['blobs', 'tmp']) fs.mkdirSync(path.join(data, folder));
const port = await freePort();
const secret = () => crypto.randomBytes(32).toString('hex');
Object.assign(process.env, {
  PDS_HOSTNAME: 'localhost',
  PDS_PORT: String(port),
  PDS_DEV_MODE: 'true',
  PDS_DATA_DIRECTORY: data,
  PDS_BLOBSTORE_DISK_LOCATION: path.join(data, 'blobs'),
  PDS_BLOBSTORE_DISK_TMP_LOCATION: path.join(data, 'tmp'),
  PDS_DID_PLC_URL: `http://localhost:${plcPort}`,
  PDS_SERVICE_HANDLE_DOMAINS: '.test',
  PDS_INVITE_REQUIRED: 'false',
  PDS_JWT_SECRET: secret(),
  PDS_ADMIN_PASSWORD: secret(),
  PDS_DPOP_SECRET: secret(),
  PDS_PLC_ROTATION_KEY_K256_PRIVATE_KEY_HEX: secret(),
  PDS_CRAWLERS: '',
  PDS_RATE_LIMITS_ENABLED: 'true',
  PDS_BLOB_UPLOAD_LIMIT: '900000',
  LOG_ENABLED: 'false',
});
const { PDS, readEnv } = await import(require.resolve('@atproto/pds'));
const base = `http://localhost:${port}`;

async function call(method, input, token) {
  const headers = { 'content-type': 'application/json' };
  if (token) headers.authorization = `Bearer ${token}`;
  const body = JSON.stringify(input);
  const answer = await fetch(`${base}/xrpc/${method}`, { method: 'POST', headers, body });
  if (!answer.ok) throw new Error(`${method}: ${answer.status} ${await answer.text()}`);
  return answer.json();
}

async function account(name) {
  const input = { handle: `${name}.test`, email: `${name}@example.org`, password: secret() };
  const made = await call('com.atproto.server.createAccount', input);
  const app = { name: 'carillon' };
  const { password } = await call('com.atproto.server.createAppPassword', app, made.accessJwt);
  return { handle: made.handle, did: made.did, password };
}

process.stdin.on('end', () => process.exit(0)).resume();
await PDS.run({
  env: readEnv(),
  onStarted: async () => {
    const [author, other] = [await account('writer-one'), await account('reader-one')];
    console.log(JSON.stringify({ base, author, other }));
  },
});
