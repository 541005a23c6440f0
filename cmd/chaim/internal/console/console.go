// Package console has the commands for the AWS console in the browser.
package console

import (
	"cmp"
	"context"
	"errors"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/cmd/chaim/internal/browse"
	"github.com/chaim-go/chaim/cmd/chaim/internal/cli"
	"github.com/chaim-go/chaim/cmd/chaim/internal/request"
	"github.com/chaim-go/chaim/cmd/chaim/internal/term"
	"github.com/chaim-go/chaim/internal/awsenv"
	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/lazyregexp"
	"github.com/chaim-go/chaim/internal/partition"
)

// Commands returns the commands of this package.
func Commands(a *cli.App) []*cobra.Command {
	gui := command(a, "gui", func(ctx context.Context, link, _ string) error {
		return browse.Open(ctx, a, link, "'chaim url' prints the link")
	})
	gui.Aliases = []string{"console"}
	gso := command(a, "gso", func(ctx context.Context, link, region string) error {
		link, err := signOutFirst(link, region)
		if err != nil {
			return err
		}
		return browse.Open(ctx, a, link, "'chaim url' prints the link")
	})
	return []*cobra.Command{urlCommand(a), gui, gso}
}

func urlCommand(a *cli.App) *cobra.Command {
	copies := false
	cmd := command(a, "url", func(ctx context.Context, link, _ string) error {
		if copies {
			if err := copyText(ctx, link); err != nil {
				return errtext.Wrap(err, "copying the link to the clipboard")
			}
			a.Say("the link is in the clipboard, and can be used for 15 minutes")
			return nil
		}
		if term.IsTerminal(a.Out) {
			a.Say("this link gives these credentials to all who have it, and can be used for 15 minutes: keep it to yourself")
		}
		return term.WriteLines(a.Out, []string{link})
	})
	cmd.Flags().BoolVar(&copies, "copy", false, "copy the link to the clipboard, and print nothing")
	return cmd
}

// page is a page of the console, and the request for the keys behind it.
type page struct {
	request.Request
	service string
}

// command returns a command that gets a link to a page of the console and delivers it. region is that of the keys.
func command(a *cli.App, name string, deliver func(ctx context.Context, link, region string) error) *cobra.Command {
	p := &page{Request: request.Request{App: a}}
	cmd := cli.Describe(&cobra.Command{
		Use: name + " [ACCOUNT [ROLE]]", GroupID: cli.GroupPrograms, ValidArgsFunction: request.CompleteArgs(a),
		RunE: func(cmd *cobra.Command, args []string) error {
			link, region, err := p.link(cmd, args)
			if err != nil {
				return err
			}
			// A browser or the tool of a clipboard may keep its environment for days.
			if err := os.Unsetenv(awsenv.GatewayToken); err != nil {
				return err
			}
			return deliver(cmd.Context(), link, region)
		},
	})
	p.AddFlags(cmd)
	p.AddProfileFlag(cmd)
	cmd.Flags().StringVar(&p.service, "service", "", "open the page of this `SERVICE`, such as s3, ec2 or cloudformation")
	_ = cmd.RegisterFlagCompletionFunc("service", cobra.FixedCompletions(commonServices, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

var commonServices = strings.Fields("cloudformation cloudwatch dynamodbv2 ec2 ecs eks iam lambda rds s3")

var serviceRule = lazyregexp.New(`^[A-Za-z0-9-]+$`)

// link gets a link to the page, and tells the region of the keys behind it.
func (p *page) link(cmd *cobra.Command, args []string) (link, region string, err error) {
	if p.service != "" && !serviceRule().MatchString(p.service) {
		return "", "", cli.Usagef("--service is a name in the console's addresses, such as s3, not %q", p.service)
	}
	if len(args) == 0 && p.Source.Profile == "" {
		name, err := defaultAccount(cmd, p.App)
		if err != nil {
			return "", "", err
		}
		if name != "" {
			args = []string{name}
		}
	}
	err = p.InMemory(cmd, args, func(opts chaim.Options) error {
		return p.App.Keys(cmd.Context(), opts, func(c *chaim.Client, creds chaim.AwsCreds) error {
			path := ""
			if p.service != "" || p.Region != "" {
				path = "/" + cmp.Or(p.service, "console") + "/home?region=" + url.QueryEscape(creds.Region)
			}
			region = creds.Region
			link, err = c.ConsoleURLTo(cmd.Context(), path)
			return err
		})
	})
	return link, region, err
}

// defaultAccount returns the name of the profile that is the default account, or its account without that profile. It is
// empty without a default account if the person can pick one.
func defaultAccount(cmd *cobra.Command, a *cli.App) (name string, err error) {
	err = a.Quiet().Client(chaim.Options{}, func(c *chaim.Client) error {
		if name, err = c.DefaultAccount(cmd.Context()); err != nil {
			return err
		}
		p, err := request.Find(cmd.Context(), c, name)
		if err == nil && p.Account == "" {
			section, _ := c.DefaultSection(cmd.Context())
			name = cmp.Or(section.Value("section"), name)
		}
		return err
	})
	if errors.Is(err, chaim.ErrNotConfigured) && a.CanPick() {
		return "", nil
	}
	if errors.Is(err, chaim.ErrNotConfigured) {
		return "", cli.Usage("which account? There is no default account, as 'chaim account -D' keeps one; usage: " +
			cmd.UseLine())
	}
	return name, err
}

// signOutFirst makes a link that signs out of the console in the partition of a region, and then goes where link goes.
func signOutFirst(link, region string) (string, error) {
	_, domain := partition.Domains(region)
	u, err := url.Parse(link)
	if err != nil || u.Host != "signin."+domain && !strings.HasSuffix(u.Host, ".signin."+domain) {
		return "", errtext.Because(chaim.ErrNoURL, errors.New("the gateway's link is not one of signin."+domain+
			", so it cannot come after a sign-out there; 'chaim gui' opens it"))
	}
	if u.Host == "signin.aws.amazon.com" { // after a sign-out it does not lead on, and that of this region does
		u.Host = "us-east-1." + u.Host
	}
	query := url.Values{"Action": {"logout"}, "redirect_uri": {u.String()}}
	return (&url.URL{Scheme: "https", Host: u.Host, Path: "/oauth", RawQuery: query.Encode()}).String(), nil
}
