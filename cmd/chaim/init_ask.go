package main

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"time"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/internal/errtext"
	wire "github.com/chaim-go/chaim/internal/gateway"
	"github.com/chaim-go/chaim/internal/keys"
	"github.com/chaim-go/chaim/internal/partition"
)

// pasteGap is the longest time between two lines of a text that is pasted into a terminal.
const pasteGap = 50 * time.Millisecond

// askUntilGood asks on the terminal until the settings pass their test, and returns them with what stays of those in
// [default]. An answer that will not do is asked for again: otherwise a shell would run what was meant for the next question.
func (a *app) askUntilGood(ctx context.Context, s initFlags, mustBeString bool) (chaim.Settings, error) {
	defer func() { _ = dropInput(a.in) }() // such as the rest of a message
	stored, _ := a.storedSettings(ctx)
	kept := stored.Region // stored is also what was answered before
	var refused error
	for {
		settings, region, err := a.askSettings(ctx, mustBeString, &stored)
		if err == nil {
			settings, err = a.withRegion(settings, cmp.Or(s.region, region), kept)
		}
		if err != nil && ctx.Err() == nil { // no person is there to answer
			return settings, cmp.Or(refused, err)
		} else if err != nil {
			return settings, err
		}
		settings = withStored(settings, stored)
		if s.isUntested {
			return settings, nil
		}
		err = a.testSettings(ctx, settings)
		if lacksSlackIDs(err) && settings.SlackID+settings.WorkspaceID == "" {
			a.say("this gateway knows its users by their Slack ids; the command /identify in Slack tells yours")
			if askErr := a.askFields(ctx, slackQuestions(&settings)); askErr == nil {
				err = a.testSettings(ctx, settings)
			}
		}
		if err == nil || ctx.Err() != nil {
			return settings, err
		}
		refused = err
		a.say("%s", errtext.Unprefixed(err))
		stored.Endpoint, stored.API, stored.Stage = settings.Endpoint, settings.API, settings.Stage
		stored.Username, stored.Region = settings.Username, settings.Region
		stored.SlackID, stored.WorkspaceID = settings.SlackID, settings.WorkspaceID
	}
}

// askSettings asks for the init string or, unless that must be it, for what would be in one. What is stored already is
// what an empty answer means. region is that of profiles, where it was answered; that of the settings is the gateway's.
func (a *app) askSettings(ctx context.Context, mustBeString bool, stored *chaim.Settings) (settings chaim.Settings, region string, err error) {
	question := "Init string (not shown; empty to answer one by one)"
	if mustBeString {
		question = "Init string (not shown)"
	}
	text := ""
	for {
		line, err := a.ask(ctx, question, true)
		text += "\n" + line
		if err != nil {
			return settings, "", err
		}
		isEmpty := strings.TrimSpace(text) == ""
		if isEmpty && !mustBeString {
			break
		}
		if settings, err = chaim.ParseInit(text); err == nil {
			return settings, "", nil
		}
		if !isEmpty && hasInput(a.in, pasteGap) { // the text goes on
			question = ""
			continue
		}
		a.say("%s", errtext.Unprefixed(err))
		question, text = "Init string (not shown)", ""
	}
	settings = *stored
	settings.UserToken, settings.TokenExpires = "", time.Time{}
	region = cmp.Or(stored.Region, partition.DefaultRegion)
	url := stored.Endpoint
	if url == "" && stored.API != "" {
		url, _ = wire.APIURL(stored.API, stored.Stage, cmp.Or(stored.Region, partition.DefaultRegion), "")
	}
	err = a.askFields(ctx, []initQuestion{
		{"Gateway URL", url, false, &settings.Endpoint},
		{"User name", stored.Username, false, &settings.Username},
		{"User token (not shown)", "", true, &settings.UserToken},
		{"Region", region, false, &region},
	})
	if settings.Username != stored.Username {
		settings.SlackID, settings.WorkspaceID = "", ""
	}
	return settings, region, err
}

// initQuestion is a question for a setting.
type initQuestion struct {
	text, empty string // the latter is what an empty answer means, if anything
	isSecret    bool
	field       *string // which an empty answer leaves as it is
}

// askFields asks for settings one by one.
func (a *app) askFields(ctx context.Context, questions []initQuestion) error {
	for _, q := range questions {
		text := q.text
		if q.empty != "" {
			text += " (empty for " + keys.Printable(q.empty) + ")"
		}
		answer, err := a.ask(ctx, text, q.isSecret)
		if err != nil {
			return err
		}
		*q.field = cmp.Or(answer, *q.field)
	}
	return nil
}

func slackQuestions(s *chaim.Settings) []initQuestion {
	return []initQuestion{{"Slack user id", "", false, &s.SlackID}, {"Slack workspace id", "", false, &s.WorkspaceID}}
}

// lacksSlackIDs reports whether a gateway refused a user whose Slack ids it did not get, or does not know.
func lacksSlackIDs(err error) bool {
	refusal := (*chaim.GatewayError)(nil)
	return errors.As(err, &refusal) && strings.Contains(refusal.Message, "workspace and slack ids")
}

// storedSettings are those in the section [default], where there are any.
func (a *app) storedSettings(ctx context.Context) (s chaim.Settings, err error) {
	err = a.withFiles(func(c *chaim.Client) error {
		section, err := c.DefaultSection(ctx)
		s = chaim.Settings{
			Endpoint: section.Value("endpoint"), API: section.Value("api"), Stage: section.Value("stage"), Region: section.Value("region"),
			Username: section.Value("username"), SlackID: section.Value("slackid"), WorkspaceID: section.Value("workspaceid"),
		}
		return err
	})
	return s, err
}

// withStored adds what will stay in [default], so that what is tested is what will be used.
func withStored(s, stored chaim.Settings) chaim.Settings {
	if s.Username == stored.Username || stored.Username == "" {
		s.SlackID, s.WorkspaceID = cmp.Or(s.SlackID, stored.SlackID), cmp.Or(s.WorkspaceID, stored.WorkspaceID)
	}
	return s
}
