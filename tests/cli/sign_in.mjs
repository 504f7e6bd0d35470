// A certified OpenID provider (npm i oidc-provider) that people sign in at: two clients, one whose tokens
// are signed with RS256 and one with ES256. Who comes next is said by asking for /_next?sub=...&email=...;
// each question of the provider is answered with yes. Prints one line of JSON when it is ready, and ends
// with its standard input.
// usage: node sign_in.mjs FOLDER, where `npm i oidc-provider` ran
import { generateKeyPairSync } from 'node:crypto';
import http from 'node:http';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const entry = path.join(path.resolve(process.argv[2]), 'node_modules/oidc-provider/lib/index.js');
const { default: Provider, interactionPolicy } = await import(pathToFileURL(entry));

const server = http.createServer();
await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
const issuer = `http://127.0.0.1:${server.address().port}`;

const jwk = (kind, options) => generateKeyPairSync(kind, options).privateKey.export({ format: 'jwk' });
const keys = [
  { ...jwk('rsa', { modulusLength: 2048 }), use: 'sig', kid: 'of-rsa' },
  { ...jwk('ec', { namedCurve: 'P-256' }), use: 'sig', kid: 'of-curve' },
];

// By its own policy it refuses whoever asks for a choice; `nochoice` leaves it at that.
const policy = interactionPolicy.base();
if (process.argv[3] !== 'nochoice') {
  policy.add(new interactionPolicy.Prompt({ name: 'select_account', requestable: true }), 0);
}
const prompts = ['none', ...policy.map((prompt) => prompt.name)];

const people = {};
let next;
let provider;
const build = (redirect) => {
  const client = (client_id, id_token_signed_response_alg) => ({
    client_id,
    client_secret: `secret of ${client_id}`,
    redirect_uris: [redirect],
    id_token_signed_response_alg,
    token_endpoint_auth_method: 'client_secret_basic',
  });
  provider = new Provider(issuer, {
    clients: [client('by-rsa', 'RS256'), client('by-curve', 'ES256')],
    jwks: { keys },
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
    pkce: { required: () => true },
    ttl: { AccessToken: 60, AuthorizationCode: 30, IdToken: 60, Grant: 600, Session: 600, Interaction: 600 },
    findAccount: async (_, sub) => ({ accountId: sub, claims: async () => ({ sub, ...people[sub] }) }),
    features: { devInteractions: { enabled: false } },
    discovery: { prompt_values_supported: prompts },
    interactions: { policy, url: (_, interaction) => `/interaction/${interaction.uid}` },
    cookies: { keys: ['only for tests'] },
  });
};

const answer = async (request, response) => {
  const details = await provider.interactionDetails(request, response);
  // Several accounts, of which one is chosen: the one that comes next.
  if (details.prompt.name === 'select_account') {
    const login = { accountId: next };
    return provider.interactionFinished(request, response, { select_account: {}, login });
  }
  if (details.prompt.name === 'login') {
    return provider.interactionFinished(request, response, { login: { accountId: next } });
  }
  const grant = new provider.Grant({
    accountId: details.session.accountId,
    clientId: details.params.client_id,
  });
  grant.addOIDCScope(details.params.scope);
  const consent = { grantId: await grant.save() };
  return provider.interactionFinished(request, response, { consent }, { mergeWithLastSubmission: true });
};

server.on('request', async (request, response) => {
  const url = new URL(request.url, issuer);
  const said = Object.fromEntries(url.searchParams);
  try {
    if (url.pathname === '/_redirect') {
      build(said.to);
      return response.end();
    }
    if (url.pathname === '/_next') {
      next = said.sub;
      people[next] = { email: said.email, email_verified: true, name: said.name };
      return response.end();
    }
    if (url.pathname.startsWith('/interaction/')) return await answer(request, response);
    return await provider.callback()(request, response);
  } catch (error) {
    console.error(error);
    response.statusCode = 500;
    return response.end(String(error));
  }
});
build('http://127.0.0.1:1/not-yet');
console.log(JSON.stringify({ at: issuer }));
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
