// What others would schedule a post with, each behind the smallest HTTP server: POST, durable, 201.
// node peer.mjs KIND REDIS_PORT POSTGRES_PORT ANSWER_BYTES; prints its address. Run from the folder
// that has the packages.
import http from 'node:http';
import { createRequire } from 'node:module';

const [kind, redisPort, postgresPort, answerBytes] = process.argv.slice(2);
const load = createRequire(`${process.cwd()}/`);
const connection = { host: '127.0.0.1', port: Number(redisPort), maxRetriesPerRequest: null };
const connectionString = `postgres://postgres@127.0.0.1:${postgresPort}/postgres`;
const max = 20;

async function bullmq() {
  const { Queue } = load('bullmq');
  const queue = new Queue('posts', { connection });
  await queue.waitUntilReady();
  return (post, due) => queue.add('post', post, { delay: due - Date.now(), attempts: 3 });
}

async function graphile() {
  const { makeWorkerUtils, Logger } = load('graphile-worker');
  const pgPool = new (load('pg').Pool)({ connectionString, max });
  const utils = await makeWorkerUtils({ pgPool, logger: new Logger(() => () => {}) });
  await utils.migrate();
  return (post, due) => utils.addJob('post', post, { runAt: new Date(due), maxAttempts: 3 });
}

async function pgboss() {
  const { PgBoss } = await import(load.resolve('pg-boss'));
  const boss = new PgBoss({ connectionString, max });
  await boss.start();
  await boss.createQueue('posts');
  return (post, due) => boss.send('posts', post, { startAfter: new Date(due), retryLimit: 3 });
}

// A row for the calendar and a job for the worker: two stores for one post.
async function insert() {
  const pool = new (load('pg').Pool)({ connectionString, max });
  await pool.query(`create table if not exists posts (
    id uuid primary key default gen_random_uuid(), channel text not null, due timestamptz not null,
    state text not null, body jsonb not null, created timestamptz not null default now())`);
  await pool.query('create index if not exists posts_due on posts (due)');
  await pool.query('create index if not exists posts_calendar on posts (channel, due)');
  const enqueue = await bullmq();
  const row = `insert into posts (channel, due, state, body)
    values ($1, to_timestamp($2 / 1000.0), 'scheduled', $3) returning id`;
  return async (post, due) => {
    const made = await pool.query(row, [post.channels[0], due, post]);
    await enqueue({ id: made.rows[0].id }, due);
  };
}

const add = await { bullmq, graphile, pgboss, insert }[kind]();
const answer = 'x'.repeat(Number(answerBytes));
const server = http.createServer((request, response) => {
  let body = '';
  request.on('data', (chunk) => { body += chunk; });
  request.on('end', async () => {
    const post = JSON.parse(body);
    await add(post, Date.parse(`${post.schedule.at}Z`));
    // Keeps the connection, and names its length.
    response.writeHead(201, { 'content-length': answer.length }).end(answer);
  });
});
server.listen(0, '127.0.0.1', () => console.log(`address: 127.0.0.1:${server.address().port}`));
