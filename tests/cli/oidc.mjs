// A certified OpenID provider (npm i oidc-provider) with the addresses and scopes of X: consent, code,
// PKCE, refresh tokens that rotate and end their family when one is used twice. Prints one line of JSON
// when it is ready, and ends with its standard input. Consent is given by asking for a page: each
// question is answered with yes.
// usage: node oidc.mjs FOLDER, where `npm i oidc-provider` ran
import http from 'node:http';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const entry = path.join(path.resolve(process.argv[2]), 'node_modules/oidc-provider/lib/index.js');
const { default: Provider } = await import(pathToFileURL(entry));

const SCOPES = ['tweet.read', 'tweet.write', 'users.read', 'media.write', 'offline.access'];
const server = http.createServer();
await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
const issuer = `http://127.0.0.1:${server.address().port}`;

let redirect;
let provider;
const build = () => {
  provider = new Provider(issuer, {
    clients: [
      {
        client_id: 'my-id',
        client_secret: 'my-secret',
        redirect_uris: [redirect],
        grant_types: ['authorization_code', 'refresh_token'],
        token_endpoint_auth_method: 'client_secret_basic',
      },
    ],
    scopes: SCOPES,
    routes: {
      authorization: '/i/oauth2/authorize',
      token: '/2/oauth2/token',
      revocation: '/2/oauth2/revoke',
    },
    pkce: { required: () => true },
    issueRefreshToken: async () => true,
    rotateRefreshToken: true,
    ttl: { AccessToken: 7200, AuthorizationCode: 30, RefreshToken: 86400, Grant: 86400, Session: 3600, Interaction: 600 },
    findAccount: async (_, sub) => ({ accountId: sub, claims: async () => ({ sub }) }),
    features: { devInteractions: { enabled: false }, revocation: { enabled: true } },
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
    cookies: { keys: ['only for tests'] },
  });
};

const answer = async (request, response) => {
  const details = await provider.interactionDetails(request, response);
  if (details.prompt.name === 'login') {
    const login = { accountId: '2244994945' };
    return provider.interactionFinished(request, response, { login });
  }
  const grant = new provider.Grant({
    accountId: details.session.accountId,
    clientId: details.params.client_id,
  });
  grant.addOIDCScope(details.params.scope);
  const consent = { grantId: await grant.save() };
  return provider.interactionFinished(request, response, { consent }, { mergeWithLastSubmission: true });
};

// Who somebody is, as X says it, for a token of this provider.
const me = async (request, response) => {
  const bearer = (request.headers.authorization ?? '').replace(/^Bearer /, '');
  const token = await provider.AccessToken.find(bearer);
  response.setHeader('content-type', 'application/json');
  if (!token || token.isExpired) {
    response.statusCode = 401;
    return response.end('{"title":"Unauthorized","status":401,"type":"about:blank"}');
  }
  response.end(JSON.stringify({ data: { id: token.accountId, name: 'acme', username: 'acme' } }));
};

server.on('request', async (request, response) => {
  const url = new URL(request.url, issuer);
  try {
    if (url.pathname === '/_redirect') {
      redirect = url.searchParams.get('to');
      build();
      return response.end();
    }
    if (url.pathname.startsWith('/interaction/')) return await answer(request, response);
    if (url.pathname === '/2/users/me') return await me(request, response);
    return await provider.callback()(request, response);
  } catch (error) {
    console.error(error);
    response.statusCode = 500;
    return response.end(String(error));
  }
});
console.log(JSON.stringify({ at: issuer }));
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
