// A real OpenID provider with people who do not exist. Any password signs them in. It prints its address and ends with its
// standard input.
//   node provider.js CLIENT_ID CLIENT_SECRET REDIRECT_URI
import { createServer } from 'node:http';
import Provider from 'oidc-provider';

const people = {
  ada: { name: 'Ada Lovelace', groups: ['platform', 'sre'] },
  bob: { name: 'Bob Kahn', groups: ['dev'] },
  zoe: { name: 'Zoë Müller', groups: [] },
};

const [clientId, clientSecret, redirectUri] = process.argv.slice(2);
const server = createServer();
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [{ client_id: clientId, client_secret: clientSecret, redirect_uris: [redirectUri] }],
    claims: { openid: ['sub'], profile: ['name', 'preferred_username'], groups: ['groups'] },
    cookies: { keys: ['not a secret: this provider is for trying'] },
    pkce: { required: () => true },
    async findAccount(_, id) {
      const person = people[id];
      return person && { accountId: id, claims: () => ({ sub: `id-of-${id}`, preferred_username: id, ...person }) };
    },
    // People of one company do not have to agree that it signs them in.
    async loadExistingGrant(ctx) {
      const grant = new ctx.oidc.provider.Grant({ clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId });
      grant.addOIDCScope('openid profile groups');
      await grant.save();
      return grant;
    },
  });
  server.on('request', provider.callback());
  console.log(issuer);
});
process.stdin.resume().on('end', () => process.exit());
