package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

// version is the project's version. The library reports its own; a test compares
// the two.
const version = "0.1.0"

func (a *app) versionCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:               "version",
		Short:             "Print the versions of the program and of its library",
		Args:              noArguments(""),
		RunE:              func(*cobra.Command, []string) error { return a.printVersion(asJSON) },
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// printVersion prints the versions of the program and of the library.
func (a *app) printVersion(asJSON bool) error {
	library := a.describeLibrary()
	if asJSON {
		return a.printJSON(struct {
			Version string        `json:"version"`
			Library libraryReport `json:"library"`
		}{version, library})
	}
	_, err := fmt.Fprintf(a.stdout, "llama4 %s\nlibrary %s\n", version, library)
	return err
}

// libraryReport is the library in use, or why there is none.
type libraryReport struct {
	Path    string `json:"path,omitempty"`
	Version string `json:"version,omitempty"`
	ABI     int    `json:"abi,omitempty"`
	Missing string `json:"missing,omitempty"`
}

func (a *app) describeLibrary() libraryReport {
	l, err := a.library()
	if err != nil {
		return libraryReport{Missing: oneLine(err.Error())}
	}
	return libraryReport{Path: l.Path, Version: l.Version, ABI: l.ABI}
}

// String describes the library in one line.
func (r libraryReport) String() string {
	if r.Missing != "" {
		return "missing: " + r.Missing
	}
	return fmt.Sprintf("%s, ABI %d, %s", r.Version, r.ABI, r.Path)
}

func (a *app) completionCommand() *cobra.Command {
	shells := []string{"bash", "zsh", "fish", "powershell"}
	return &cobra.Command{
		Use:   "completion bash|zsh|fish|powershell",
		Short: "Print a script that completes commands and flags in a shell",
		Long: `Completion prints a script that makes a shell complete commands, flags and their values.

  bash        source <(llama4 completion bash)         needs bash-completion; for good: in ~/.bashrc
  zsh         source <(llama4 completion zsh)          for good: in ~/.zshrc, after compinit
  fish        llama4 completion fish | source          for good: in ~/.config/fish/config.fish
  powershell  llama4 completion powershell | Out-String | Invoke-Expression`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 || shellScript(cmd.Root(), args[0]) == nil {
				return usage(cmd, "want one of bash, zsh, fish, powershell")
			}
			return nil
		},
		ValidArgs: shells,
		RunE:      func(cmd *cobra.Command, args []string) error { return shellScript(cmd.Root(), args[0])(a.stdout) },
	}
}

// shellScript returns what writes the completion script of a shell, nil for an
// unknown one.
func shellScript(root *cobra.Command, shell string) func(io.Writer) error {
	return map[string]func(io.Writer) error{
		"bash":       func(w io.Writer) error { return root.GenBashCompletionV2(w, true) },
		"zsh":        root.GenZshCompletion,
		"fish":       func(w io.Writer) error { return root.GenFishCompletion(w, true) },
		"powershell": root.GenPowerShellCompletionWithDesc,
	}[shell]
}
