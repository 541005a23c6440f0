// Tells what the AWS SDK for JavaScript v3 reads in a credentials file.
//
// A request is a line of JSON, {"text": base64} or with "resolve", a profile, to have its credential_process run. The
// answer is a line of JSON too. NODE_PATH names the folder of the packages.
const { fromProcess } = require("@aws-sdk/credential-provider-process");
const { externalDataInterceptor, parseKnownFiles } = require("@smithy/shared-ini-file-loader");

const files = { filepath: "/credentials", configFilepath: "/dev/null" };

// As isStaticCredsProfile of @aws-sdk/credential-provider-ini has it.
function keys(pairs) {
  const { aws_access_key_id: id, aws_secret_access_key: secret, aws_session_token: token = "" } = pairs;
  return [...(id && secret ? [id, secret, token] : ["", "", ""]), pairs.credential_process ?? ""];
}

async function answer({ text, resolve }) {
  externalDataInterceptor.interceptFile(files.filepath, Buffer.from(text, "base64").toString("utf8"));
  if (resolve) {
    const found = await fromProcess({ profile: resolve, ...files })();
    return { keys: [found.accessKeyId, found.secretAccessKey, found.sessionToken] };
  }
  const profiles = await parseKnownFiles(files);
  return {
    profiles: Object.fromEntries(Object.entries(profiles).map(([name, pairs]) => [name, { keys: keys(pairs), pairs }])),
  };
}

(async () => {
  for await (const line of require("node:readline").createInterface({ input: process.stdin })) {
    process.stdout.write(JSON.stringify(await answer(JSON.parse(line))) + "\n");
  }
})();
