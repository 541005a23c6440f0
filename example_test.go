package chaim_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/chaimtest"
)

// demo stands for a program's configuration: a gateway (here a double) and a folder for the credentials file.
func demo() (opts chaim.Options, done func()) {
	srv := chaimtest.NewServer(nil)
	dir, err := os.MkdirTemp("", "chaim-example-")
	if err != nil {
		panic(err)
	}
	opts = chaim.Options{Account: "sredev", Duration: time.Hour, Settings: srv.Settings(), HTTPClient: srv.HTTPClient(), Dir: dir}
	return opts, func() {
		srv.Close()
		_ = os.RemoveAll(dir)
	}
}

// profiles lists the sections of the credentials file.
func profiles(opts chaim.Options) []string {
	text, err := os.ReadFile(filepath.Join(opts.Dir, "credentials"))
	if err != nil {
		return nil
	}
	found := []string{}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "[") {
			found = append(found, strings.TrimSpace(line))
		}
	}
	return found
}

// The gateway comes from the environment or the credentials file. Here both belong to a double.
func ExampleWith() {
	restore := useDouble()
	defer restore()
	err := chaim.With("sredev", "rro", 1, func(profile string) error {
		cfg, err := config.LoadDefaultConfig(context.Background(), config.WithSharedConfigProfile(profile))
		if err != nil {
			return err
		}
		id, err := sts.NewFromConfig(cfg).GetCallerIdentity(context.Background(), nil)
		if err != nil {
			return err
		}
		fmt.Println(profile, "is", aws.ToString(id.Arn))
		return nil
	})
	fmt.Println(err)
	// Output:
	// tempname is arn:aws:sts::111111111111:assumed-role/CrossAccountReadOnly/test.user
	// <nil>
}

// useDouble points this process at a double until restore is called.
func useDouble() (restore func()) {
	_, _, restore = useServer()
	return restore
}

// useServer is useDouble, and returns the double and the home. variables, each "NAME=value", come after those of the double.
func useServer(variables ...string) (srv *chaimtest.Server, home string, restore func()) {
	srv = chaimtest.NewServer(nil)
	home, err := os.MkdirTemp("", "chaim-example-")
	if err != nil {
		panic(err)
	}
	undo := []func(){srv.Close, func() { _ = os.RemoveAll(home) }}
	for _, variable := range slices.Concat(srv.Environ(home), []string{"HOME=" + home, "USERPROFILE=" + home}, variables) {
		name, value, _ := strings.Cut(variable, "=")
		if old, ok := os.LookupEnv(name); ok {
			undo = append(undo, func() { _ = os.Setenv(name, old) })
		} else {
			undo = append(undo, func() { _ = os.Unsetenv(name) })
		}
		_ = os.Setenv(name, value)
	}
	return srv, home, func() {
		for _, f := range slices.Backward(undo) { // a variable may have been set twice
			f()
		}
	}
}

func ExampleWithContext() {
	opts, done := demo()
	defer done()
	err := chaim.WithContext(context.Background(), opts, func(ctx context.Context, c *chaim.Client) error {
		fmt.Println("inside:", profiles(opts))
		return nil
	})
	fmt.Println("after:", profiles(opts), err)
	// Output:
	// inside: [[tempname]]
	// after: [] <nil>
}

func ExampleNew() {
	opts, done := demo()
	defer done()
	ctx := context.Background()
	c, err := chaim.New(opts)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	creds, err := c.RequestKeys(ctx)
	fmt.Println(time.Until(creds.Expires).Round(time.Minute), err)
	fmt.Println(profiles(opts), c.DeleteAccount(ctx, c.Profile()), profiles(opts))
	// Output:
	// 1h0m0s <nil>
	// [[tempname]] <nil> []
}

func ExampleClient_Retrieve() {
	opts, done := demo()
	defer done()
	c, err := chaim.New(opts)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	cfg := aws.Config{Region: "eu-west-1", Credentials: c}
	keys, err := cfg.Credentials.Retrieve(context.Background())
	fmt.Println(keys.HasKeys(), keys.Expired(), err)
	// Output: true false <nil>
}

func ExampleClient_Environ() {
	opts, done := demo()
	defer done()
	err := chaim.WithContext(context.Background(), opts, func(ctx context.Context, c *chaim.Client) error {
		cmd := exec.CommandContext(ctx, "aws", "s3", "ls")
		cmd.Env = append(os.Environ(), c.Environ()...)
		fmt.Println(slices.Contains(cmd.Env, "AWS_PROFILE=tempname"))
		return nil // or cmd.Run()
	})
	fmt.Println(err)
	// Output:
	// true
	// <nil>
}

// A child process gets no variables that lead to other credentials.
func ExampleClient_ChildEnviron() {
	opts, done := demo()
	defer done()
	err := chaim.WithContext(context.Background(), opts, func(ctx context.Context, c *chaim.Client) error {
		cmd := exec.CommandContext(ctx, "aws", "s3", "ls")
		cmd.Env = c.ChildEnviron([]string{"PATH=/usr/bin", "AWS_PROFILE=prod", "AWS_ACCOUNT_ID=999999999999"}) // or of os.Environ()
		for _, variable := range cmd.Env[:2] {
			fmt.Println(variable)
		}
		return nil // or cmd.Run()
	})
	fmt.Println(err)
	// Output:
	// PATH=/usr/bin
	// AWS_PROFILE=tempname
	// <nil>
}

func ExampleClient_ConsoleURL() {
	opts, done := demo()
	defer done()
	err := chaim.WithContext(context.Background(), opts, func(ctx context.Context, c *chaim.Client) error {
		link, err := c.ConsoleURL(ctx)
		fmt.Println(strings.HasPrefix(link, "https://signin.aws.amazon.com/federation?"))
		return err
	})
	fmt.Println(err)
	// Output:
	// true
	// <nil>
}

func ExampleClient_RequestList() {
	opts, done := demo()
	defer done()
	c, err := chaim.New(opts)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	accounts, err := c.RequestList(context.Background())
	for _, a := range accounts {
		fmt.Println(a.ID, a.Name)
	}
	fmt.Println(err)
	// Output:
	// 111111111111 sredev
	// 222222222222 Connected Homes
	// 333333333333 O'Brien
	// <nil>
}

func ExampleOptions_source() {
	opts, done := demo()
	defer done()
	opts.Source = credentials.NewStaticCredentialsProvider("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "")
	err := chaim.WithContext(context.Background(), opts, func(context.Context, *chaim.Client) error {
		fmt.Println(profiles(opts))
		return nil
	})
	fmt.Println(err)
	// Output:
	// [[tempname]]
	// <nil>
}

// A client of the AWS SDK that outlives its first keys gets the next ones from the profile's process.
func ExampleOptions_process() {
	opts, done := demo()
	defer done()
	opts.Form = chaim.Process
	err := chaim.WithContext(context.Background(), opts, func(ctx context.Context, c *chaim.Client) error {
		cfg, err := config.LoadDefaultConfig(ctx,
			config.WithSharedConfigProfile(c.Profile()),
			config.WithSharedCredentialsFiles([]string{filepath.Join(opts.Dir, "credentials")}))
		if err != nil {
			return err
		}
		keys, err := cfg.Credentials.Retrieve(ctx)
		fmt.Println(keys.AccessKeyID == c.Creds().AccessKeyID, keys.CanExpire)
		return err
	})
	fmt.Println(err)
	// Output:
	// true true
	// <nil>
}

// The next program that uses chaim removes the profile of a killed program. Sweep does it at once.
func ExampleSweep() {
	dir, done := leftByKilledProgram()
	defer done()
	swept, err := chaim.Sweep(context.Background(), dir)
	if err != nil {
		fmt.Println(err)
	}
	for _, s := range swept {
		if s.Profile != "" {
			fmt.Println("removed profile", s.Profile)
		} else {
			fmt.Println("removed a file with extension", filepath.Ext(s.Path))
		}
	}
	// Output:
	// removed profile tempname
	// removed a file with extension .lease
}

// leftByKilledProgram copies the files of a live scope. The copied lease is not locked, as after a kill.
func leftByKilledProgram() (dir string, done func()) {
	opts, end := demo()
	defer end()
	dir, err := os.MkdirTemp("", "chaim-example-")
	if err != nil {
		panic(err)
	}
	err = chaim.WithContext(context.Background(), opts, func(context.Context, *chaim.Client) error {
		return os.CopyFS(dir, os.DirFS(opts.Dir))
	})
	if err != nil {
		panic(err)
	}
	return dir, func() { _ = os.RemoveAll(dir) }
}

func ExampleAwsCreds() {
	creds := chaim.AwsCreds{
		Region:          "eu-west-1",
		AccessKeyID:     "ASIAIOSFODNN7EXAMPLE",
		SecretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
		Expires:         time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC),
	}
	fmt.Println(creds)
	// Output: chaim.AwsCreds{Region:"eu-west-1" AccessKeyID:"...MPLE" SecretAccessKey:[secret] SessionToken:none AccountID:"" Expires:2030-01-01T12:00:00Z}
}

func ExampleNewMonitor() {
	ctx := context.Background()
	source := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: "ASIAIOSFODNN7EXAMPLE", SecretAccessKey: "secret", CanExpire: true, Expires: time.Now().Add(time.Hour)}, nil
	})
	m, err := chaim.NewMonitor(ctx, source, chaim.MonitorOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()
	keys, err := m.Retrieve(ctx)
	fmt.Println(keys.AccessKeyID, err)
	// Output: ASIAIOSFODNN7EXAMPLE <nil>
}

// A program gets keys of a role with the keys of a user, for as long as it runs.
func ExampleSTS() {
	srv := chaimtest.NewServer(nil)
	defer srv.Close()
	source := &chaim.STS{
		RoleARN:    "arn:aws:iam::111111111111:role/CrossAccountReadOnly",
		Region:     "eu-west-1",
		Keys:       credentials.StaticCredentialsProvider{Value: srv.AddKeys("111111111111", "chris")}, // leave out for the SDK's own
		HTTPClient: srv.HTTPClient(),                                                                   // leave out for AWS
	}
	m, err := chaim.NewMonitor(context.Background(), source, chaim.MonitorOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()
	keys, err := m.Retrieve(context.Background())
	fmt.Println(keys.AccountID, keys.CanExpire, m.State(), err)
	// Output: 111111111111 true ok <nil>
}

// A profile has fewer rights than its role.
func ExampleSTS_sessionPolicy() {
	srv := chaimtest.NewServer(nil)
	defer srv.Close()
	dir, err := os.MkdirTemp("", "chaim-example-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	opts := chaim.Options{
		Account: "sredev",
		Dir:     dir, // leave out for your own credentials file
		Source: &chaim.STS{
			RoleARN:    "arn:aws:iam::111111111111:role/CrossAccountPowerUser",
			Policy:     `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:List*","Resource":"*"}]}`,
			Keys:       credentials.StaticCredentialsProvider{Value: srv.AddKeys("sredev", "chris")},
			HTTPClient: srv.HTTPClient(),
		},
	}
	err = chaim.WithContext(context.Background(), opts, func(_ context.Context, c *chaim.Client) error {
		fmt.Println("profile", c.Profile())
		return nil
	})
	fmt.Println(err)
	// Output:
	// profile tempname
	// <nil>
}

func ExampleParseInit() {
	settings, err := chaim.ParseInit("YXBpPTh4eHNzdThmczcmc3RhZ2U9cHJvZCZyZWdpb249ZXUtd2VzdC0xJnVzZXJuYW1lPWNocmlzJnVzZXJ0b2tlbj1hYj09")
	fmt.Println(settings, err)
	// Output: chaim.Settings{Endpoint:"" API:"8xxssu8fs7" Stage:"prod" Region:"eu-west-1" Username:"chris" UserToken:[secret]} <nil>
}

func ExampleClient_MyAccountList() {
	opts, done := demo()
	defer done()
	err := chaim.WithContext(context.Background(), opts, func(ctx context.Context, c *chaim.Client) error {
		held, err := c.MyAccountList(ctx)
		for _, p := range held {
			fmt.Println(p.Name, p.Account, p.Role, p.Left().Round(time.Minute), p.Live)
		}
		return err
	})
	fmt.Println(err)
	// Output:
	// tempname sredev rro 1h0m0s true
	// <nil>
}

func ExampleClient_DisplayMyList() {
	opts, done := demo()
	defer done()
	err := os.WriteFile(filepath.Join(opts.Dir, "credentials"), []byte(`[default]
alias = dev
[dev]
accountname = sredev
role = mpu
region = eu-west-1
expires = 1536139015
[homes]
accountname = Connected Homes
role = rro
region = eu-west-2
`), 0o600)
	if err != nil {
		fmt.Println(err)
		return
	}
	c, err := chaim.New(opts)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	// For valid keys it shows the time that is left, such as "in 43 minutes at 14:03:22 [72%]".
	fmt.Println(c.DisplayMyList(context.Background(), os.Stdout))
	// Output:
	// user token of test.user: unknown
	// * dev    sredev           mpu  eu-west-1  has expired  kept
	//   homes  Connected Homes  rro  eu-west-2  unknown      kept
	// <nil>
}

// AWS itself makes a link to a page of the console from the keys of a role.
func ExampleClient_ConsoleURLTo() {
	opts, done := demo()
	defer done()
	srv := chaimtest.NewServer(nil)
	defer srv.Close()
	opts.HTTPClient = srv.HTTPClient() // leave out for AWS
	opts.Source = &chaim.STS{
		RoleARN:    "arn:aws:iam::111111111111:role/CrossAccountReadOnly",
		Region:     "eu-west-1",
		Keys:       credentials.StaticCredentialsProvider{Value: srv.AddKeys("sredev", "chris")}, // leave out for the SDK's own
		HTTPClient: srv.HTTPClient(),                                                             // leave out for AWS
	}
	err := chaim.WithContext(context.Background(), opts, func(ctx context.Context, c *chaim.Client) error {
		link, err := c.ConsoleURLTo(ctx, "/s3/home?region=eu-west-1")
		if err != nil {
			return err
		}
		u, err := url.Parse(link)
		if err != nil {
			return err
		}
		fmt.Println(u.Host, u.Query().Get("Destination"))
		return nil
	})
	fmt.Println(err)
	// Output:
	// signin.aws.amazon.com https://eu-west-1.console.aws.amazon.com/s3/home?region=eu-west-1
	// <nil>
}

// The section [default] prints without any value.
func ExampleClient_DefaultSection() {
	opts, done := demo()
	defer done()
	text := "[default]\nendpoint = https://gateway.example/prod\nregion = eu-west-2\nusername = chris\nusertoken = hush\n"
	if err := os.WriteFile(filepath.Join(opts.Dir, "credentials"), []byte(text), 0o600); err != nil {
		panic(err)
	}
	c, err := chaim.New(opts)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	section, err := c.DefaultSection(context.Background())
	fmt.Println(section.Name, section.Keys(), section.Value("region"), err)
	// Output: default [endpoint region username usertoken] eu-west-2 <nil>
}

// An account stays the default account after the client is closed.
func ExampleClient_DefaultAccount() {
	opts, done := demo()
	defer done()
	opts.TempName, opts.Default, opts.Keep = "dev", true, true
	err := chaim.WithContext(context.Background(), opts, func(ctx context.Context, c *chaim.Client) error {
		name, err := c.DefaultAccount(ctx)
		fmt.Println(name)
		return err
	})
	fmt.Println(err)
	// Output:
	// dev
	// <nil>
}

// An init string names a gateway. Endpoint sends no request.
func ExampleClient_Endpoint() {
	opts, done := demo()
	defer done()
	settings, err := chaim.ParseInit("YXBpPTh4eHNzdThmczcmc3RhZ2U9cHJvZCZyZWdpb249ZXUtd2VzdC0xJnVzZXJuYW1lPWNocmlzJnVzZXJ0b2tlbj1hYj09")
	if err != nil {
		panic(err)
	}
	opts.Settings = &settings
	c, err := chaim.New(opts)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	fmt.Println(c.Endpoint(context.Background()))
	// Output: https://8xxssu8fs7.execute-api.eu-west-1.amazonaws.com/prod/ <nil>
}

// Who am I in each account? The keys are in memory only. A client of the AWS SDK gets them from c.
func ExampleEach() {
	opts, done := demo()
	defer done()
	opts.Account = ""
	c, err := chaim.New(opts)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	accounts, err := c.RequestList(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	each := chaim.EachOptions{
		Options:  opts,
		Parallel: 1, // the order of the output
		Progress: func(p chaim.EachProgress) { fmt.Printf("%d of %d\n", p.Done, p.Total) },
	}
	err = chaim.Each(context.Background(), accounts, each, func(ctx context.Context, a chaim.Account, c *chaim.Client) error {
		id, err := sts.New(sts.Options{Region: c.Creds().Region, Credentials: c, HTTPClient: opts.HTTPClient}).GetCallerIdentity(ctx, nil)
		if err != nil {
			return err
		}
		fmt.Println(a.Name, "has", aws.ToString(id.Account))
		return nil
	})
	fmt.Println(err)
	// Output:
	// sredev has 111111111111
	// 1 of 3
	// Connected Homes has 222222222222
	// 2 of 3
	// O'Brien has 333333333333
	// 3 of 3
	// <nil>
}

func ExampleFilterAccounts() {
	accounts := []chaim.Account{
		{ID: "111111111111", Name: "team-a-prod"}, {ID: "222222222222", Name: "team-a-dev"}, {ID: "333333333333", Name: "team-b-prod"},
	}
	prod, err := chaim.FilterAccounts(accounts, "*-prod")
	fmt.Println(prod, err)
	// Output: [{111111111111 team-a-prod} {333333333333 team-b-prod}] <nil>
}

// A program can try the failed accounts again, here those without keys.
func ExampleEachError() {
	opts, done := demo()
	defer done()
	opts.Account = ""
	accounts := []chaim.Account{{Name: "sredev"}, {ID: "999999999999"}, {Name: "Connected Homes"}}
	err := chaim.Each(context.Background(), accounts, chaim.EachOptions{Options: opts}, func(_ context.Context, a chaim.Account, _ *chaim.Client) error {
		if a.Name == "sredev" {
			return errors.New("no such bucket")
		}
		return nil
	})
	var again []chaim.Account
	var failed *chaim.EachError
	if errors.As(err, &failed) {
		for _, a := range failed.Accounts {
			if !a.Began {
				again = append(again, a.Account)
			}
		}
		fmt.Println(len(failed.Accounts), "of", failed.Total, "failed, to be tried again:", again)
	}
	// Output: 2 of 3 failed, to be tried again: [{999999999999 }]
}

// A Client keeps its keys in a profile, and renews them, until Close.
func ExampleClient_RequestKeys() {
	opts, done := demo()
	defer done()
	c, err := chaim.New(opts)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	creds, err := c.RequestKeys(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(c.Profile(), creds.Region, creds.Expired(0))
	// Output: tempname eu-west-1 false
}

// Store writes the settings of an init string into the credentials file, where all clients find them.
func ExampleSettings_Store() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir) // instead of ~/.aws
	settings, err := chaim.ParseInit("YXBpPTh4eHNzdThmczcmc3RhZ2U9cHJvZCZyZWdpb249ZXUtd2VzdC0xJnVzZXJuYW1lPWNocmlzJnVzZXJ0b2tlbj1hYj09")
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := settings.Store(context.Background(), dir); err != nil {
		fmt.Println(err)
		return
	}
	text, err := os.ReadFile(filepath.Join(dir, "credentials"))
	fmt.Print(string(text), err)
	// Output:
	// [default]
	// api = 8xxssu8fs7
	// stage = prod
	// region = eu-west-1
	// username = chris
	// usertoken = ab==
	// <nil>
}

// vault is a broker that has a provider of keys for each account.
type vault map[string]aws.CredentialsProvider

func (v vault) Keys(ctx context.Context, r chaim.Request) (chaim.Grant, error) {
	provider, ok := v[r.Account]
	if !ok {
		return chaim.Grant{}, fmt.Errorf("there are no keys for account %s", r.Account)
	}
	keys, err := provider.Retrieve(ctx)
	return chaim.Grant{Credentials: keys}, err
}

// A program has its own broker for the accounts of an organisation.
func ExampleBroker() {
	broker := vault{
		"sredev": credentials.NewStaticCredentialsProvider("ASIAIOSFODNN7EXAMPLE", "secret", "token"),
		"prod":   credentials.NewStaticCredentialsProvider("ASIAI44QH8DHBEXAMPLE", "secret", "token"),
	}
	accounts := []chaim.Account{{Name: "sredev"}, {Name: "prod"}, {Name: "lab"}}
	opts := chaim.EachOptions{Options: chaim.Options{Broker: broker}, Parallel: 1}
	err := chaim.Each(context.Background(), accounts, opts, func(_ context.Context, a chaim.Account, c *chaim.Client) error {
		fmt.Println(a.Name, c.Creds().AccessKeyID)
		return nil
	})
	fmt.Println(err)
	// Output:
	// sredev ASIAIOSFODNN7EXAMPLE
	// prod ASIAI44QH8DHBEXAMPLE
	// chaim: 1 of 3 accounts failed; account "lab": keys for account "lab" as "rro": there are no keys for account lab
}

// Config is for clients of the AWS SDK: s3.NewFromConfig(cfg) uses the client's region and its keys, which stay fresh.
func ExampleClient_Config() {
	opts, done := demo()
	defer done()
	err := chaim.WithContext(context.Background(), opts, func(ctx context.Context, c *chaim.Client) error {
		cfg, err := c.Config(ctx)
		if err != nil {
			return err
		}
		keys, err := cfg.Credentials.Retrieve(ctx)
		fmt.Println(cfg.Region, keys.Expired())
		return err
	})
	fmt.Println(err)
	// Output:
	// eu-west-1 false
	// <nil>
}

// kept returns a client without an account. Another client has written the kept profile "dev" with these keys into the
// credentials file.
func kept() (c *chaim.Client, keys chaim.AwsCreds, opts chaim.Options, done func()) {
	opts, end := demo()
	opts.TempName, opts.Keep = "dev", true
	err := chaim.WithContext(context.Background(), opts, func(_ context.Context, first *chaim.Client) error {
		keys = first.Creds()
		return nil
	})
	if err == nil {
		c, err = chaim.New(chaim.Options{Settings: opts.Settings, HTTPClient: opts.HTTPClient, Dir: opts.Dir})
	}
	if err != nil {
		panic(err)
	}
	return c, keys, opts, func() {
		_ = c.Close()
		end()
	}
}

// A parked account has no keys. A file beside the credentials file has its definition, with which chaim gets new keys.
func ExampleClient_ParkAccount() {
	c, _, opts, done := kept()
	defer done()
	fmt.Println(profiles(opts))
	fmt.Println(c.ParkAccount(context.Background(), "dev"))
	fmt.Println(profiles(opts))
	definition, err := os.ReadFile(filepath.Join(opts.Dir, "chaim-parked"))
	fmt.Print(string(definition))
	fmt.Println(err)
	// Output:
	// [[dev]]
	// <nil>
	// []
	// [dev]
	// duration = 1
	// role = rro
	// accountname = sredev
	// accountid = 111111111111
	// region = eu-west-1
	// <nil>
}

func ExampleClient_UnparkAccount() {
	c, old, opts, done := kept()
	defer done()
	fmt.Println(c.ParkAccount(context.Background(), "dev"))
	creds, err := c.UnparkAccount(context.Background(), "dev")
	fmt.Println(profiles(opts), creds.AccessKeyID != old.AccessKeyID, err)
	// Output:
	// <nil>
	// [[dev]] true <nil>
}

func ExampleClient_ListParkAccounts() {
	c, _, _, done := kept()
	defer done()
	fmt.Println(c.ListParkAccounts(context.Background()))
	fmt.Println(c.ParkAccount(context.Background(), "dev"))
	fmt.Println(c.ListParkAccounts(context.Background()))
	// Output:
	// [] <nil>
	// <nil>
	// [dev] <nil>
}

// StoreKeys stores keys that another program got from the gateway.
func ExampleClient_StoreKeys() {
	opts, done := demo()
	defer done()
	c, err := chaim.New(opts)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	text := fmt.Sprintf("{'accountid': '111111111111', 'sectionname': 'sredev', 'accesskeyid': 'ASIAIOSFODNN7EXAMPLE', "+
		"'secretkey': 'wJalrXUtnFEMI', 'sessiontoken': 'AQoDYXdzEJr', 'expires': %d}", time.Now().Add(time.Hour).Unix())
	creds, err := c.StoreKeys(context.Background(), []byte(text))
	fmt.Println(profiles(opts), creds.AccessKeyID, err)

	_, err = c.StoreKeys(context.Background(), []byte(strings.ReplaceAll(text, "sredev", "other account")))
	fmt.Println(err)
	// Output:
	// [[tempname]] ASIAIOSFODNN7EXAMPLE <nil>
	// chaim: storing keys for account "sredev": gateway answered 200: reply has keys for another account, or does not say for which
}

// Any client can renew the profile of another program: the section names its account and role.
func ExampleClient_RenewSection() {
	c, old, _, done := kept()
	defer done()
	creds, err := c.RenewSection(context.Background(), "dev")
	fmt.Println(creds.AccessKeyID != old.AccessKeyID, err)
	// Output:
	// true <nil>
}

func ExampleClient_DeleteAccount() {
	c, _, opts, done := kept()
	defer done()
	fmt.Println(profiles(opts))
	fmt.Println(c.DeleteAccount(context.Background(), "dev"))
	fmt.Println(profiles(opts))
	// Output:
	// [[dev]]
	// <nil>
	// []
}
