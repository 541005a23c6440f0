package chaim_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/chaimtest"
	"github.com/chaim-go/chaim/internal/ssotoken"
)

// useAWSFiles points this process at a double without a gateway. The home has the text of an AWS config file, keys of a user
// as profile "me", and a sign-in to the Identity Center of the session "corp".
func useAWSFiles(config string) (srv *chaimtest.Server, restore func()) {
	srv, home, restore := useServer("CHAIM_URL=", "CHAIM_USER=", "CHAIM_TOKEN=", "AWS_REGION=", "AWS_DEFAULT_REGION=")
	keys := srv.AddKeys("111111111111", "me")
	for path, text := range map[string]string{
		"config":      config + "\n[sso-session corp]\nsso_start_url = " + srv.StartURL() + "\nsso_region = eu-central-1\n",
		"credentials": "[me]\naws_access_key_id = " + keys.AccessKeyID + "\naws_secret_access_key = " + keys.SecretAccessKey + "\n",
		filepath.Join(".aws", "sso", "cache", ssotoken.FileName("corp", "")): string(srv.SignIn()),
	} {
		path = filepath.Join(home, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			panic(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			panic(err)
		}
	}
	return srv, restore
}

// A program lends the keys of a profile of the AWS config file. The files and AWS are doubles here.
func ExampleProfiles() {
	_, restore := useAWSFiles(`
[profile team-dev]
role_arn = arn:aws:iam::222222222222:role/CrossAccountPowerUser
source_profile = me
region = eu-north-1
`)
	defer restore()
	opts := chaim.Options{Account: "team-dev", Broker: chaim.Profiles{}}
	err := chaim.WithContext(context.Background(), opts, func(_ context.Context, c *chaim.Client) error {
		fmt.Println(c.Profile(), c.Region(), c.Role())
		return nil
	})
	fmt.Println(err)
	// Output:
	// tempname eu-north-1 arn:aws:iam::222222222222:role/CrossAccountPowerUser
	// <nil>
}

// A program works in every account of an Identity Center. 'chaim login' or 'aws sso login' has signed the user in.
func ExampleIdentityCenter() {
	_, restore := useAWSFiles("")
	defer restore()
	ctx := context.Background()
	center := chaim.IdentityCenter{} // the only sso-session of the AWS config file
	accounts, err := center.Accounts(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	opts := chaim.EachOptions{
		Options:  chaim.Options{Role: "CrossAccountReadOnly", Broker: center},
		Parallel: 1, // the order of the output
	}
	err = chaim.Each(ctx, accounts, opts, func(_ context.Context, a chaim.Account, c *chaim.Client) error {
		fmt.Println(a.Name, "has", c.Creds().AccountID)
		return nil
	})
	fmt.Println(err)
	// Output:
	// sredev has 111111111111
	// Connected Homes has 222222222222
	// O'Brien has 333333333333
	// <nil>
}

func ExampleIdentityCenter_Roles() {
	_, restore := useAWSFiles("")
	defer restore()
	fmt.Println(chaim.IdentityCenter{Session: "corp"}.Roles(context.Background(), "sredev"))
	// Output: [CrossAccountAdminUser CrossAccountPowerUser CrossAccountReadOnly CrossAccountSysAdmin] <nil>
}

// One code of an MFA device does for several roles.
func ExampleMFASession() {
	srv, restore := useAWSFiles("")
	defer restore()
	const serial = "arn:aws:iam::111111111111:mfa/me"
	srv.AddMFADevice("me", serial)
	session := chaim.MFASession{
		Keys:   credentials.StaticCredentialsProvider{Value: srv.AddKeys("111111111111", "me")},
		Device: chaim.MFADevice{Serial: serial},
		TokenCode: func(_ context.Context, d chaim.MFADevice) (string, error) {
			fmt.Println("the code of", d.Serial)
			return srv.MFACode(serial), nil
		},
		Region: "eu-west-1",
	}
	for _, account := range []string{"111111111111", "222222222222"} {
		source := &chaim.STS{RoleARN: "arn:aws:iam::" + account + ":role/CrossAccountReadOnly", Keys: session, Region: "eu-west-1"}
		keys, err := source.Retrieve(context.Background())
		fmt.Println(keys.AccountID, err)
	}
	// Output:
	// the code of arn:aws:iam::111111111111:mfa/me
	// 111111111111 <nil>
	// 222222222222 <nil>
}
