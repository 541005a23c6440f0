package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/atotto/clipboard"
	"github.com/spf13/cobra"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/lazyregexp"
	"github.com/chaim-go/chaim/internal/partition"
)

// consolePage is a page of the AWS console, and who is to see it.
type consolePage struct {
	request
	service string
}

func (a *app) urlCommand() *cobra.Command {
	var copies bool
	cmd := a.consoleCommand(func(_ context.Context, link, _ string) error {
		if !copies {
			if isTerminal(a.out) {
				a.say("this link gives these credentials to all who have it, and can be used for 15 minutes: keep it to yourself")
			}
			_, err := fmt.Fprintln(a.out, link)
			return err
		}
		if err := clipboard.WriteAll(link); err != nil {
			return errtext.Wrap(err, "copying the link to the clipboard")
		}
		a.say("the link is in the clipboard, and can be used for 15 minutes")
		return nil
	})
	cmd.Use = "url [ACCOUNT [ROLE]]"
	cmd.Short = "Print a link that opens the AWS console, or copy it"
	cmd.Long = `url prints a link that opens the AWS console with credentials of an account. The link gives the credentials to all who
have it, so it is a secret. It can be used for 15 minutes.

The keys behind it are asked for at each call, stay in memory, and are written to no file.` + aboutPages
	cmd.Example = "  chaim url sredev\n  chaim url sredev mpu --copy\n  chaim url sredev --service s3 --region us-east-1"
	cmd.Flags().BoolVar(&copies, "copy", false, "copy the link to the clipboard, and print nothing")
	return cmd
}

func (a *app) guiCommand() *cobra.Command {
	cmd := a.consoleCommand(func(ctx context.Context, link, _ string) error { return a.open(ctx, link) })
	cmd.Use = "gui [ACCOUNT [ROLE]]"
	cmd.Aliases = []string{"console"}
	cmd.Short = "Open the AWS console in the browser"
	cmd.Long = `gui opens the AWS console in the browser with credentials of an account. The keys stay in memory and are written to no file.` + aboutPages + aboutBrowsers
	cmd.Example = "  chaim gui sredev\n  chaim gui sredev mpu -d 4h --service ec2\n  BROWSER=firefox chaim gui sredev"
	return cmd
}

func (a *app) gsoCommand() *cobra.Command {
	cmd := a.consoleCommand(func(ctx context.Context, link, region string) error {
		link, err := signOutFirst(link, region)
		if err != nil {
			return err
		}
		return a.open(ctx, link)
	})
	cmd.Use = "gso [ACCOUNT [ROLE]]"
	cmd.Short = "Sign out of the AWS console, then open it in the browser"
	cmd.Long = `gso signs the browser out of the AWS console, which keeps to the account it is signed in to, and then does what gui does. AWS
documents no way to do both; the one that is taken is known to work for the partition aws. Where the browser stays at the
page of the sign-out, 'chaim gui' opens the console after it.` + aboutPages + aboutBrowsers
	cmd.Example = "  chaim gso sredev\n  chaim gso sredev mpu --service cloudformation"
	return cmd
}

const (
	aboutPages = `

Without ACCOUNT it is the default account, as 'chaim account -D' keeps it. With a gateway the link opens the page that the gateway has chosen, unless --service or --region is given.` + aboutNames
	aboutBrowsers = `

The browser is that of BROWSER, a list of commands of which the first that works is taken, with %s for the address; else it
is the one of the desktop. It is given the address of a page on this machine, which leads to the console once, for one
minute, so that no list of processes shows the link. On Linux the page is for your own programs only.`
)

// consoleCommand is a command that gets a link to a page of the console, and delivers it. It has no name yet.
func (a *app) consoleCommand(deliver func(ctx context.Context, link, region string) error) *cobra.Command {
	var page consolePage
	cmd := &cobra.Command{
		GroupID:           groupPrograms,
		ValidArgsFunction: a.completeAccountAndRole,
		RunE: func(cmd *cobra.Command, args []string) error {
			link, region, err := a.consoleLink(cmd, &page, args)
			if err != nil {
				return err
			}
			return deliver(cmd.Context(), link, region)
		},
	}
	page.addFlags(a, cmd)
	cmd.Flags().StringVar(&page.service, "service", "", "open the page of this `SERVICE`, such as s3, ec2 or cloudformation")
	_ = cmd.RegisterFlagCompletionFunc("service", cobra.FixedCompletions(commonServices, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

var commonServices = []string{"cloudformation", "cloudwatch", "dynamodbv2", "ec2", "ecs", "eks", "iam", "lambda", "rds", "s3"}

var serviceRule = lazyregexp.New(`^[A-Za-z0-9-]+$`)

// consoleLink gets a link, and tells the region of the credentials behind it.
func (a *app) consoleLink(cmd *cobra.Command, page *consolePage, args []string) (link, region string, err error) {
	if page.service != "" && !serviceRule().MatchString(page.service) {
		return "", "", usageError{fmt.Sprintf("--service is a name in the console's addresses, such as s3, not %q", page.service)}
	}
	if len(args) == 0 {
		name, err := a.defaultAccount(cmd)
		if err != nil {
			return "", "", err
		}
		args = []string{name}
	}
	opts, err := a.inMemory(cmd, &page.request, args)
	if err != nil {
		return "", "", err
	}
	err = a.withClient(opts, func(c *chaim.Client) error {
		creds, err := requestKeys(cmd.Context(), c, opts.Account)
		if err != nil {
			return err
		}
		region = creds.Region
		link, err = c.ConsoleURLTo(cmd.Context(), page.destination(region))
		return err
	})
	return link, region, err
}

// defaultAccount is the name of the profile that is the default account, or of its account where that profile is gone.
func (a *app) defaultAccount(cmd *cobra.Command) (name string, err error) {
	err = a.quiet().withFiles(func(c *chaim.Client) error {
		section, err := c.DefaultSection(cmd.Context())
		if err != nil {
			return err
		}
		if name, err = c.DefaultAccount(cmd.Context()); err != nil {
			return err
		}
		if p, err := find(cmd.Context(), c, name); p.Account == "" {
			name = cmp.Or(section.Value("section"), name)
			return err
		}
		return nil
	})
	if errors.Is(err, chaim.ErrNotConfigured) {
		return "", usageError{"which account? There is no default account, as 'chaim account -D' keeps one; usage: " + cmd.UseLine()}
	}
	return name, err
}

// destination is the path of the page, or nothing where none was asked for.
func (p *consolePage) destination(region string) string {
	if p.service == "" && p.region == "" {
		return ""
	}
	return "/" + cmp.Or(p.service, "console") + "/home?region=" + url.QueryEscape(region)
}

// redirectingRegion has the only sign-in page that is known to lead on to a link of its own host after a sign-out. Links that
// are not of any region can be used there too.
const redirectingRegion = "us-east-1"

// signOutFirst makes a link that signs out of the console of a region's partition, and then goes where link goes.
func signOutFirst(link, region string) (string, error) {
	_, domain := partition.Domains(region)
	u, err := url.Parse(link)
	if err != nil || u.Host != "signin."+domain && !strings.HasSuffix(u.Host, ".signin."+domain) {
		err := errors.New("the gateway's link is not one of signin." + domain + ", so it cannot come after a sign-out there; 'chaim gui' opens it")
		return "", errtext.Because(chaim.ErrNoURL, err)
	}
	if u.Host == "signin.aws.amazon.com" {
		u.Host = redirectingRegion + "." + u.Host
	}
	query := url.Values{"Action": {"logout"}, "redirect_uri": {u.String()}}
	return (&url.URL{Scheme: "https", Host: u.Host, Path: "/oauth", RawQuery: query.Encode()}).String(), nil
}
