package main

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/llama4go/llama4go/bindings"
)

// value is a flag's value that is checked when it is set.
type value struct {
	text string // shown as the default
	kind string // shown as the type
	set  func(string) error
}

func (v *value) String() string { return v.text }
func (v *value) Type() string   { return v.kind }

func (v *value) Set(text string) error {
	if err := v.set(text); err != nil {
		return err
	}
	v.text = text
	return nil
}

// whole is a whole number in a range.
func whole(to *int, least, most int) *value {
	return &value{kind: "int", set: func(text string) error {
		n, err := strconv.Atoi(text)
		if err != nil || n < least || n > most {
			return fmt.Errorf("want a whole number from %d to %d", least, most)
		}
		*to = n
		return nil
	}}
}

// nonEmpty is a text that is not empty, as an unset variable of a shell is.
func nonEmpty(to *string, kind string) *value {
	return &value{kind: kind, set: func(text string) error {
		if text == "" {
			return errors.New("want a name, it is empty")
		}
		*to = text
		return nil
	}}
}

// modelFlags are the flags that say which model runs, where and how.
type modelFlags struct {
	path    string
	device  string
	compute bindings.Compute
	quant   string
	threads int
	context int
}

const (
	maxThreads = 4096
	maxContext = 1 << 30
)

var devicePattern = regexp.MustCompile(`^(auto|cpu|cuda(:[0-9]{1,4})?|simt)$`)

func (f *modelFlags) register(cmd *cobra.Command) {
	f.registerModel(cmd)
	f.device, f.quant = "auto", "none"
	flags := cmd.Flags()
	flags.Var(&value{text: f.device, kind: "name", set: func(text string) error {
		if !devicePattern.MatchString(text) {
			return errors.New("want auto, cpu, cuda, cuda:N or simt")
		}
		f.device = text
		return nil
	}}, "device", "where to run: auto, cpu, cuda, cuda:N or simt (an emulated GPU, for tests)")
	f.registerCompute(cmd)
	flags.Var(&value{text: f.quant, kind: "name", set: func(text string) error {
		if !slices.Contains(quantizations, text) {
			return fmt.Errorf("want %s", strings.Join(quantizations, ", "))
		}
		f.quant = text
		return nil
	}}, "quant", "quantize the weights: none (int4, int4-all and fp8 are not supported yet)")
	flags.Var(whole(&f.threads, 1, maxThreads), "threads", "threads of a CPU device (default: one a core)")
	f.registerContext(cmd, "tokens a sequence may hold (default: the model's, at most 131072)")
	complete(cmd, "device", "auto", "cpu", "cuda", "simt")
	complete(cmd, "quant", quantizations...)
	complete(cmd, "threads")
}

var quantizations = []string{"none", "int4", "int4-all", "fp8"}

func (f *modelFlags) registerModel(cmd *cobra.Command) {
	cmd.Flags().VarP(nonEmpty(&f.path, "folder"), "model", "m",
		"model folder in Hugging Face's layout (default: the built-in demo model)")
	must(cmd.MarkFlagDirname("model"))
}

func (f *modelFlags) registerCompute(cmd *cobra.Command) {
	cmd.Flags().Var(&value{text: "auto", kind: "name", set: func(text string) (err error) {
		f.compute, err = bindings.ParseCompute(text)
		if err != nil {
			return errors.New("want auto, f32 or bf16")
		}
		return nil
	}}, "compute", "precision of products: auto, f32 (fp32 throughout) or bf16")
	complete(cmd, "compute", "auto", "f32", "bf16")
}

func (f *modelFlags) registerContext(cmd *cobra.Command, help string) {
	cmd.Flags().Var(whole(&f.context, 1, maxContext), "ctx", help)
	complete(cmd, "ctx")
}

// complete sets the values that the shell offers for a flag.
func complete(cmd *cobra.Command, flag string, values ...string) {
	must(cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)))
}

// must stops the program at a mistake in how flags are declared.
func must(err error) {
	if err != nil {
		panic(err)
	}
}
