package chaimtest_test

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/chaimtest"
)

// backup stands for the user's own code, which lends itself credentials to work with.
func backup(ctx context.Context, opts chaim.Options) (string, error) {
	opts.Account, opts.Role = "billing", "rro"
	var key string
	err := chaim.WithContext(ctx, opts, func(ctx context.Context, c *chaim.Client) error {
		key = c.Creds().AccessKeyID[:4]
		return nil
	})
	if errors.Is(err, chaim.ErrDenied) {
		return "", errors.New("ask for access to the account")
	}
	return key, err
}

func ExampleServer_Settings() {
	srv := chaimtest.NewServer(nil) // in a test: chaimtest.NewServer(t)
	defer srv.Close()
	srv.AddAccount("444444444444", "billing")
	dir, err := os.MkdirTemp("", "example-") // in a test: t.TempDir()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)

	opts := chaim.Options{Settings: srv.Settings(), HTTPClient: srv.HTTPClient(), Dir: dir}
	fmt.Println(backup(context.Background(), opts))

	srv.Deny("", "billing", "rro")
	fmt.Println(backup(context.Background(), opts))
	// Output:
	// ASIA <nil>
	//  ask for access to the account
}

// deploy stands for the user's own code: it takes on a role to do its work, and says as whom it did.
func deploy(ctx context.Context, client *sts.Client, role string) (string, error) {
	out, err := client.AssumeRole(ctx, &sts.AssumeRoleInput{
		RoleArn: aws.String(role), RoleSessionName: aws.String("deploy-42"),
	})
	if err != nil {
		return "", fmt.Errorf("deploy: %w", err)
	}
	return aws.ToString(out.AssumedRoleUser.Arn), nil
}

func ExampleServer() {
	srv := chaimtest.NewServer(nil) // in a test: chaimtest.NewServer(t), which closes it too
	defer srv.Close()
	srv.AddAccount("444444444444", "billing")

	client := sts.New(sts.Options{
		Region:      "eu-west-1",
		HTTPClient:  srv.HTTPClient(), // whatever the endpoint, this reaches srv
		Credentials: credentials.StaticCredentialsProvider{Value: srv.AddKeys("sredev", "ci")},
	})
	const role = "arn:aws:iam::444444444444:role/CrossAccountPowerUser"
	fmt.Println(deploy(context.Background(), client, role))

	srv.Inject(1, chaimtest.Throttle(0)) // the SDK tries again
	fmt.Println(deploy(context.Background(), client, role))

	srv.Deny("ci", "billing", "mpu")
	_, err := deploy(context.Background(), client, role)
	fmt.Println(err != nil)

	for _, r := range srv.Requests() {
		fmt.Println(r.Action, r.Account, r.Role, r.StatusCode)
	}
	// Output:
	// arn:aws:sts::444444444444:assumed-role/CrossAccountPowerUser/deploy-42 <nil>
	// arn:aws:sts::444444444444:assumed-role/CrossAccountPowerUser/deploy-42 <nil>
	// true
	// AssumeRole 444444444444 CrossAccountPowerUser 200
	// AssumeRole 444444444444 CrossAccountPowerUser 400
	// AssumeRole 444444444444 CrossAccountPowerUser 200
	// AssumeRole 444444444444 CrossAccountPowerUser 403
}
