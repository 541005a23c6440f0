package chaim_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/chaimtest"
)

// regionWorld has no region in its environment, and a config file of that text.
func regionWorld(t *testing.T, configFile string) (*chaimtest.Server, chaim.Options) {
	t.Helper()
	srv := chaimtest.NewServer(t)
	opts := optionsFor(t, srv)
	opts.Dir = srv.Setenv(t)
	for _, name := range []string{"AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_DEFAULT_PROFILE"} {
		t.Setenv(name, "")
		require.NoError(t, os.Unsetenv(name))
	}
	write(t, filepath.Join(opts.Dir, "config"), configFile)
	return srv, opts
}

// TestRegionOrder takes one source of a region after the other away, the first ones first, on each way to keys.
func TestRegionOrder(t *testing.T) {
	for name, change := range map[string]func(t *testing.T, srv *chaimtest.Server, opts *chaim.Options){
		"gateway": func(_ *testing.T, _ *chaimtest.Server, opts *chaim.Options) {
			settings := *opts.Settings
			settings.Region = "ca-west-1"
			opts.Settings = &settings
		},
		"STS": func(t *testing.T, srv *chaimtest.Server, opts *chaim.Options) {
			keys := srv.AddKeys("111111111111", "me")
			t.Setenv("AWS_ACCESS_KEY_ID", keys.AccessKeyID)
			t.Setenv("AWS_SECRET_ACCESS_KEY", keys.SecretAccessKey)
			for _, name := range []string{"CHAIM_URL", "CHAIM_USER", "CHAIM_TOKEN"} {
				t.Setenv(name, "")
			}
			opts.Settings, opts.Account, opts.Role = nil, "111111111111", "arn:aws:iam::111111111111:role/CrossAccountReadOnly"
		},
		"Source": func(_ *testing.T, _ *chaimtest.Server, opts *chaim.Options) {
			opts.Source = chaim.AwsCreds{AccessKeyID: "ASIAEXAMPLE", SecretAccessKey: "s", SessionToken: "t", Region: "ca-west-1"}
		},
	} {
		for _, noProfile := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				srv, opts := regionWorld(t, "")
				change(t, srv, &opts)
				if opts.NoProfile = noProfile; !noProfile {
					opts.TempName = "dev"
				}
				regions := []string{"us-east-1", "us-east-2", "us-west-1", "us-west-2", "eu-north-1", "ca-west-1"}
				if name == "STS" {
					regions[5] = "eu-west-1"
				}
				opts.Region = regions[0]
				t.Setenv("AWS_REGION", regions[1])
				t.Setenv("AWS_DEFAULT_REGION", regions[2])
				ofProfile := map[bool]string{false: "[profile dev]\nregion = " + regions[3] + "\n", true: "[profile tempname]\nregion = eu-west-2\n"}[noProfile]
				ofDefault := "[default]\nregion = " + regions[4] + "\n"
				write(t, filepath.Join(opts.Dir, "config"), ofProfile+ofDefault)

				check := func(want string) {
					t.Helper()
					err := chaim.WithContext(t.Context(), opts, func(_ context.Context, c *chaim.Client) error {
						assert.Equal(t, want, c.Region())
						assert.Equal(t, want, c.Creds().Region)
						assert.Contains(t, c.Environ(), "AWS_REGION="+want)
						assert.Contains(t, c.Environ(), "AWS_DEFAULT_REGION="+want)
						if !noProfile {
							assert.Contains(t, read(t, credentialsFile(opts)), "\nregion = "+want+"\n")
						}
						return nil
					})
					require.NoError(t, err)
				}
				check(regions[0])
				opts.Region = ""
				check(regions[1])
				require.NoError(t, os.Unsetenv("AWS_REGION"))
				check(regions[2])
				require.NoError(t, os.Unsetenv("AWS_DEFAULT_REGION"))
				if !noProfile {
					check(regions[3])
				}
				write(t, filepath.Join(opts.Dir, "config"), ofDefault)
				check(regions[4])
				write(t, filepath.Join(opts.Dir, "config"), "")
				check(regions[5])
			})
		}
	}
}

func TestRegionOfTheProfileInUse(t *testing.T) {
	_, opts := regionWorld(t, "[profile work]\nregion = us-west-1\n[default]\nregion = us-east-2\n")
	t.Setenv("AWS_PROFILE", "work")
	assert.Equal(t, "us-west-1", clientFor(t, opts).Region())
	write(t, credentialsFile(opts), "[work]\nregion = us-west-2\n")
	assert.Equal(t, "us-west-2", clientFor(t, opts).Region(), "as for SDKs")
}

// TestRegionOfTheAccountsProfile lends a profile of another name, and none.
func TestRegionOfTheAccountsProfile(t *testing.T) {
	const ofAccount, ofDefault = "[profile sredev]\nregion = us-west-1\n", "[default]\nregion = us-east-2\n"
	_, opts := regionWorld(t, ofAccount+ofDefault)
	assert.Equal(t, "us-west-1", clientFor(t, opts).Region())
	opts.TempName = "dev"
	assert.Equal(t, "us-west-1", clientFor(t, opts).Region())
	write(t, filepath.Join(opts.Dir, "config"), ofAccount+ofDefault+"[profile dev]\nregion = us-west-2\n")
	assert.Equal(t, "us-west-2", clientFor(t, opts).Region(), "the profile that is lent comes first")
	opts.TempName, opts.NoProfile = "", true
	assert.Equal(t, "us-west-1", clientFor(t, opts).Region())
	t.Setenv("AWS_PROFILE", "dev")
	assert.Equal(t, "us-west-1", clientFor(t, opts).Region())
}

// TestWrongRegionThatIsNotNeeded has one in the settings of a gateway with a URL, and another that is given.
func TestWrongRegionThatIsNotNeeded(t *testing.T) {
	srv, opts := regionWorld(t, "")
	opts.Settings = nil
	for name, value := range map[string]string{"CHAIM_URL": srv.URL(), "CHAIM_USER": "u", "CHAIM_TOKEN": "t", "CHAIM_REGION": "eu-wst-1"} {
		t.Setenv(name, value)
	}
	_, err := chaim.New(opts)
	assert.ErrorContains(t, err, "the CHAIM_ variables of the environment: region \"eu-wst-1\"")
	opts.Region = "us-east-1"
	assert.Equal(t, "us-east-1", clientFor(t, opts).Region())
	opts.Region = ""
	t.Setenv("AWS_REGION", "us-east-2")
	assert.Equal(t, "us-east-2", clientFor(t, opts).Region())
	t.Setenv("CHAIM_URL", "")
	t.Setenv("CHAIM_API", "abc123")
	t.Setenv("CHAIM_STAGE", "prod")
	_, err = chaim.New(opts)
	assert.ErrorContains(t, err, "did you mean eu-west-1?", "the URL is made of it")
}

// TestWrongRegionIsOneErrorOfEach has a region that no account could be lent keys in.
func TestWrongRegionIsOneErrorOfEach(t *testing.T) {
	srv, opts := regionWorld(t, "")
	opts.Account, opts.TempName = "", ""
	refused := func(opts chaim.Options) {
		t.Helper()
		err := chaim.Each(t.Context(), []chaim.Account{{Name: "sredev"}}, chaim.EachOptions{Options: opts},
			func(context.Context, chaim.Account, *chaim.Client) error { return nil })
		assert.ErrorContains(t, err, "did you mean")
		assert.NotErrorAs(t, err, new(*chaim.EachError))
	}
	ofSettings := opts
	ofSettings.Settings = &chaim.Settings{Endpoint: srv.URL(), Username: "u", UserToken: "t", Region: "eu-wst-1"}
	refused(ofSettings)
	t.Setenv("AWS_REGION", "us-west-2a")
	refused(opts)
	assert.Empty(t, srv.Requests())
}

func TestBuiltInRegion(t *testing.T) {
	_, opts := regionWorld(t, "")
	settings := *opts.Settings
	settings.Region = ""
	opts.Settings = &settings
	assert.Equal(t, "eu-west-1", clientFor(t, opts).Region())
	opts.Source = &chaim.STS{RoleARN: "arn:aws-cn:iam::111111111111:role/R"}
	assert.Equal(t, "cn-north-1", clientFor(t, opts).Region())
}

// TestRegionIsChecked refuses what no region is called, before network or file is touched.
func TestRegionIsChecked(t *testing.T) {
	srv, opts := regionWorld(t, "")
	for region, want := range map[string]string{"us-east-1a": "did you mean us-east-1?", "eu-wst-1": "did you mean eu-west-1?"} {
		refused := func(opts chaim.Options, wants ...string) {
			t.Helper()
			_, err := chaim.New(opts)
			for _, want := range append(wants, want) {
				assert.ErrorContains(t, err, want)
			}
		}
		given := opts
		given.Region = region
		refused(given)
		given.Region, given.Settings = "", &chaim.Settings{Endpoint: srv.URL(), Username: "u", UserToken: "t", Region: region}
		refused(given, "Options.Settings")
		_, err := (&chaim.STS{RoleARN: "arn:aws:iam::111111111111:role/R", Region: region}).Retrieve(t.Context())
		assert.ErrorContains(t, err, want)
		write(t, filepath.Join(opts.Dir, "config"), "[default]\nregion = "+region+"\n")
		refused(opts, "AWS files", "default")
		t.Setenv("AWS_REGION", region)
		refused(opts, "AWS_REGION")
		list := opts
		list.Account = ""
		_, err = clientFor(t, list).MyAccountList(t.Context())
		assert.NoError(t, err, "no region is needed for that")
		require.NoError(t, os.Unsetenv("AWS_REGION"))
		require.NoError(t, os.Remove(filepath.Join(opts.Dir, "config")))
	}
	assert.Empty(t, srv.Requests())
	assert.NoFileExists(t, credentialsFile(opts))
}

// TestKeptProfileLeavesTheRegionToTheConfigFile keeps, renews, parks and unparks a profile of the config file.
func TestKeptProfileLeavesTheRegionToTheConfigFile(t *testing.T) {
	_, opts := regionWorld(t, "[profile work]\nregion = us-west-2\n")
	region := func(want string) {
		t.Helper()
		assert.NotContains(t, read(t, credentialsFile(opts)), "region")
		cfg, err := config.LoadDefaultConfig(t.Context(), config.WithSharedConfigProfile("work"))
		require.NoError(t, err)
		assert.Equal(t, want, cfg.Region)
		profiles, err := clientFor(t, opts).MyAccountList(t.Context())
		require.NoError(t, err)
		assert.Equal(t, want, profiles[0].Region)
	}
	c := keeper(t, opts, "sredev", "work")
	assert.Equal(t, "us-west-2", c.Region())
	region("us-west-2")
	write(t, filepath.Join(opts.Dir, "config"), "[profile work]\nregion = us-east-2\n")
	region("us-east-2")
	creds, err := clientFor(t, opts).RenewSection(t.Context(), "work")
	require.NoError(t, err)
	assert.Equal(t, "us-east-2", creds.Region)
	region("us-east-2")
	require.NoError(t, clientFor(t, opts).ParkAccount(t.Context(), "work"))
	_, err = clientFor(t, opts).UnparkAccount(t.Context(), "work")
	require.NoError(t, err)
	region("us-east-2")

	opts.Region = "eu-north-1"
	keeper(t, opts, "sredev", "work")
	assert.Contains(t, read(t, credentialsFile(opts)), "\nregion = eu-north-1\n", "which was asked for")
}
