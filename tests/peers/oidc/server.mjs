// A certified authorization server that is not ours (npm oidc-provider), for one walk in the browser.
// It lets in whoever types a name, asks for consent, demands PKCE, and rotates refresh tokens.
import { createServer } from "node:http";
import Provider from "oidc-provider";

const [redirect, secret] = process.argv.slice(2);
const server = createServer();
server.listen(0, "127.0.0.1", () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: "app",
        client_secret: secret,
        application_type: "native",
        token_endpoint_auth_method: "client_secret_post",
        grant_types: ["authorization_code", "refresh_token"],
        redirect_uris: [redirect],
      },
    ],
    scopes: ["openid", "email", "https://mail.google.com/"],
    claims: { openid: ["sub"], email: ["email"] },
    conformIdTokenClaims: false,
    issueRefreshToken: async () => true,
    rotateRefreshToken: true,
    pkce: { required: () => true },
    findAccount: async (_ctx, id) => ({ accountId: id, claims: async () => ({ sub: id, email: id }) }),
  });
  server.on("request", provider.callback());
  console.log(issuer);
});
