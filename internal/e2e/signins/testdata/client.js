// Prints the access key id of the profile that is named on each line that it reads, or "error" and the reason. NODE_PATH names
// the folder of the packages.
const load = () => {
  // The SDK renews a token once in 30 seconds of a process. A new copy of it has not done so yet.
  for (const file of Object.keys(require.cache)) {
    if (/token-providers|credential-provider-sso/.test(file)) delete require.cache[file];
  }
  return require("@aws-sdk/credential-provider-sso").fromSSO;
};

(async () => {
  for await (const line of require("node:readline").createInterface({ input: process.stdin })) {
    let answer;
    try {
      answer = (await load()({ profile: line.trim() })()).accessKeyId;
    } catch (error) {
      answer = "error " + String(error).replace(/\s+/g, " ");
    }
    process.stdout.write(answer + "\n");
  }
})();
