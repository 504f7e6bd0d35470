// The client API of Mastodon as others wrote it (npm @rmdes/indiekit-endpoint-activitypub 4.0.0), on
// loopback and in memory: their routes, and in place of their database and of the site behind them
// a few lines of ours. Prints one line of JSON when it is ready, and ends with its standard input.
// usage: node mastodon.mjs FOLDER, where .ci/run's fetch_mastodon_server ran; any visitor is the owner
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

const folder = path.resolve(process.argv[2]);
const require = createRequire(path.join(folder, 'x.js'));
const theirs = (name) =>
  import(path.join(folder, 'node_modules/@rmdes/indiekit-endpoint-activitypub/lib/mastodon', name));
const { ObjectId } = require('mongodb');
const express = require('express');

// A list that answers the questions their code asks of a database.
const at = (row, key) => key.split('.').reduce((found, name) => found?.[name], row);
const same = (found, wanted) =>
  Array.isArray(found)
    ? found.some((one) => same(one, wanted))
    : (found ?? null) === wanted || (found != null && String(found) === String(wanted));
const tests = {
  $eq: same,
  $ne: (found, wanted) => !same(found, wanted),
  $gt: (found, wanted) => String(found) > String(wanted),
  $lt: (found, wanted) => String(found) < String(wanted),
  $in: (found, wanted) => wanted.some((one) => same(found, one)),
  $exists: (found, wanted) => (found !== undefined) === wanted,
};
const isTest = (wanted) =>
  wanted?.constructor === Object && Object.keys(wanted).some((key) => key.startsWith('$'));
const fits = (row, question = {}) =>
  Object.entries(question).every(([key, wanted]) => {
    if (key === '$or') return wanted.some((one) => fits(row, one));
    const asked = Object.entries(isTest(wanted) ? wanted : { $eq: wanted });
    return asked.every(([test, value]) => {
      if (!tests[test]) throw new Error(`the list does not know ${test}`);
      const found = at(row, key);
      if (!(value instanceof Date)) return tests[test](found, value);
      return found !== undefined && tests[test](found.toISOString(), value.toISOString());
    });
  });

class List {
  rows = [];
  find(question) {
    let rows = this.rows.filter((row) => fits(row, question));
    const found = {
      sort: (by) => {
        const [[key, way] = ['_id', 1]] = Object.entries(by);
        const text = (row) => String(at(row, key));
        rows.sort((a, b) => (text(a) > text(b) ? way : -way));
        return found;
      },
      limit: (most) => ((rows = rows.slice(0, most)), found),
      project: () => found,
      toArray: async () => rows,
    };
    return found;
  }
  async findOne(question) {
    return this.rows.find((row) => fits(row, question)) ?? null;
  }
  async countDocuments(question) {
    return this.rows.filter((row) => fits(row, question)).length;
  }
  async insertOne(row) {
    row._id ??= new ObjectId();
    this.rows.push(row);
    return { insertedId: row._id };
  }
  async updateOne(question, change, { upsert } = {}) {
    const row = await this.findOne(question);
    if (!row) {
      if (upsert) await this.insertOne({ ...change.$setOnInsert });
      return { upsertedCount: upsert ? 1 : 0 };
    }
    Object.assign(row, change.$set);
    for (const key of Object.keys(change.$unset ?? {})) delete row[key];
    return { upsertedCount: 0 };
  }
  async findOneAndUpdate(question, change) {
    const row = await this.findOne(question);
    const before = row && { ...row };
    await this.updateOne(question, change);
    return before;
  }
}
const lists = {};
const collections = new Proxy(lists, {
  get: (_, name) => (typeof name === 'string' && name !== 'then' ? (lists[name] ??= new List()) : undefined),
});

// What their plugin publishes through: the site that it is a part of.
const site = path.join(folder, 'node_modules/@indiekit/endpoint-micropub');
fs.mkdirSync(path.join(site, 'lib'), { recursive: true });
fs.writeFileSync(path.join(site, 'package.json'), '{"type":"module"}');
for (const name of ['post-data', 'post-content']) {
  const words = name.replace(/-(.)/, (_, letter) => letter.toUpperCase());
  fs.writeFileSync(path.join(site, `lib/${name}.js`), `export const ${words} = globalThis.site;\n`);
}
const { backfillTimeline } = await theirs('backfill-timeline.js');
let lag = 0;
let built = Promise.resolve();
globalThis.site = {
  // Of both: a post is written, and then its page is made.
  create: async (application, publication, words) => {
    if (!words) return;
    const url = `${base}/notes/${collections.posts.rows.length + 1}`;
    const post = { properties: { ...words, url, published: new Date().toISOString() } };
    await collections.posts.insertOne(post);
    // Accounts list it when the site has been built.
    setTimeout(() => (built = built.then(() => backfillTimeline(collections))), lag);
    return post;
  },
};

let lose = 0;
let expireAfter = false;
let forget = false;
// An access token ends; its refresh token does not.
const expire = () => {
  for (const token of collections.ap_oauth_tokens.rows) token.expiresAt = new Date(0);
};
const app = express();
app.use(express.json());
app.use(require('express-session')({ secret: 's', resave: false, saveUninitialized: true }));
app.use(require('express-fileupload')());
app.use((request, response, next) => {
  request.session.access_token = 'owner';
  if (lose > 0 && request.method === 'POST' && request.path === '/api/v1/statuses') {
    lose -= 1;
    response.json = () => {
      if (expireAfter) expire();
      expireAfter = false;
      if (forget) collections.ap_idempotency.rows = [];
      request.socket.destroy();
    };
  }
  next();
});
// For the test.
app.post('/_set', (request, response) => {
  lose = request.body.lose ?? lose;
  lag = request.body.lag ?? lag;
  forget = request.body.forget ?? forget;
  expireAfter = request.body.expire_after ?? expireAfter;
  if (request.body.expire) expire();
  response.json({});
});
app.get('/_posts', (_, response) => response.json(collections.posts.rows.map((post) => post.properties)));
let files = 0;
app.post('/_media', (request, response) => {
  files += 1;
  response.set('Location', `${base}/media/${files}/${request.files.file.size}`).status(201).end();
});

const server = app.listen(0, '127.0.0.1');
await new Promise((resolve) => server.on('listening', resolve));
const base = `http://127.0.0.1:${server.address().port}`;
await collections.ap_profile.insertOne({ name: 'Alice', url: `${base}/`, icon: '' });
Object.assign(app.locals, { application: { url: base, mediaEndpoint: '/_media' }, publication: { me: `${base}/` } });
const { setLocalIdentity } = await theirs('entities/status.js');
setLocalIdentity(`${base}/`, 'alice');
const { createMastodonRouter } = await theirs('router.js');
app.use(createMastodonRouter({ collections, pluginOptions: { handle: 'alice', publicationUrl: `${base}/` } }));
process.stdin.on('end', () => process.exit(0)).resume();
console.info = () => {};
console.log(JSON.stringify({ base }));
