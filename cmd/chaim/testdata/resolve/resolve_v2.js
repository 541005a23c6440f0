// Prints the access key id that the AWS SDK for JavaScript v2 finds. It knows no account id.
//
// NODE_PATH names the folder of the packages.
process.env.AWS_SDK_JS_SUPPRESS_MAINTENANCE_MODE_MESSAGE = "1";
const AWS = require("aws-sdk");

new AWS.CredentialProviderChain().resolve((error, credentials) => {
  if (error) throw error;
  process.stdout.write(`${credentials.accessKeyId} \n`);
});
