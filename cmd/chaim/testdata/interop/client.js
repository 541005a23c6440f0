// Prints the account it works in for each line that it reads, always with the same client.
//
// NODE_PATH names the folder of the packages.
const { GetCallerIdentityCommand, STSClient } = require("@aws-sdk/client-sts");

const client = new STSClient();

(async () => {
  for await (const _ of require("node:readline").createInterface({ input: process.stdin })) {
    const { Account } = await client.send(new GetCallerIdentityCommand());
    process.stdout.write(Account + "\n");
  }
})();
