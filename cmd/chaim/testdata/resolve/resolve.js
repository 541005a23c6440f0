// Prints the access key id and the account id that the AWS SDK for JavaScript v3 finds.
//
// NODE_PATH names the folder of the packages.
const { STSClient } = require("@aws-sdk/client-sts");

new STSClient().config.credentials().then(({ accessKeyId, accountId }) => {
  process.stdout.write(`${accessKeyId} ${accountId ?? ""}\n`);
});
