package main

import (
	"context"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/llama4go/llama4go/bindings"
	"github.com/llama4go/llama4go/bindings/discover"
)

// app is one run of the command: its streams, and the parts of the machine that
// tests replace.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer

	discover func() *discover.Discoverer
	library  func() (bindings.LibraryInfo, error)
	open     func(device string) (bindings.Info, error)
}

func newApp(stdin io.Reader, stdout, stderr io.Writer) *app {
	return &app{
		stdin: stdin, stdout: stdout, stderr: stderr,
		discover: discover.Default, library: bindings.Library, open: openInfo,
	}
}

// openInfo opens a device for a moment and describes it.
func openInfo(name string) (bindings.Info, error) {
	d, err := bindings.Open(name, nil)
	if err != nil {
		return bindings.Info{}, err
	}
	defer func() { _ = d.Close() }()
	return d.Info()
}

// run runs the command with its arguments and returns the exit status.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	return newApp(stdin, stdout, stderr).run(ctx, args)
}

func (a *app) run(ctx context.Context, args []string) int {
	root := a.rootCommand()
	root.SetArgs(append([]string{}, args...)) // nil would mean os.Args
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	a.note("llama4: %s\n", oneLine(err.Error()))
	return status(err)
}

const rootHelp = `llama4 runs Llama 4 models, from checkpoints in Hugging Face's layout and from GGUF files, on
the CPU or a GPU.

Without -m it uses the small demo model that is built in. Answers go to standard
output, all that is meant for people only to standard error; with --json or
--jsonl standard output carries JSON alone.

Exit status: 0 done, 1 failed, 2 wrong usage, 130 ended by Ctrl-C, 143 by SIGTERM.
A second signal ends the program at once.`

func (a *app) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "llama4",
		Short:         "Run Llama 4 models",
		Long:          rootHelp,
		Args:          noSuchCommand,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if show, err := cmd.Flags().GetBool("version"); err != nil || show {
				return errorOr(err, func() error { return a.printVersion(false) })
			}
			return cmd.Help()
		},
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	root.Flags().Bool("version", false, "print the versions of the program and of its library")
	root.SetFlagErrorFunc(flagError)
	root.SetHelpCommand(helpCommand())
	root.AddCommand(
		a.chatCommand(), a.generateCommand(), a.scoreCommand(), a.perplexityCommand(), a.tokenizeCommand(),
		a.quantizeCommand(), a.inspectCommand(), a.devicesCommand(), a.benchCommand(),
		a.completionCommand(), a.versionCommand(),
	)
	return root
}

// errorOr returns err, or else what next returns.
func errorOr(err error, next func() error) error {
	if err != nil {
		return err
	}
	return next()
}

// noSuchCommand refuses what is not the name of a command.
func noSuchCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	cmd.SuggestionsMinimumDistance = 2
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		return usage(cmd, "unknown command %q, did you mean %s?", args[0], near[0])
	}
	return usage(cmd, "unknown command %q", args[0])
}

func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [command]",
		Short: "Describe a command",
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return commandNames(cmd.Root()), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			topic := cmd.Root()
			if len(args) > 0 {
				if len(args) > 1 {
					return usage(cmd, "unexpected argument %q", args[1])
				}
				if !slices.Contains(commandNames(topic), args[0]) {
					return noSuchCommand(topic, args)
				}
				topic, _, _ = topic.Find(args[:1]) // the name was found a line above
			}
			topic.InitDefaultHelpFlag()
			return topic.Help()
		},
	}
}

func commandNames(root *cobra.Command) []string {
	var names []string
	for _, c := range root.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	return names
}
