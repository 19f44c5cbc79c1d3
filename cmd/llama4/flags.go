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
	"github.com/llama4go/llama4go/llama4"
	"github.com/llama4go/llama4go/llama4/quant"
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
	kv      string
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
	f.device = "auto"
	flags := cmd.Flags()
	flags.Var(&value{text: f.device, kind: "name", set: func(text string) error {
		if !devicePattern.MatchString(text) {
			return errors.New("want auto, cpu, cuda, cuda:N or simt")
		}
		f.device = text
		return nil
	}}, "device", "where to run: auto, cpu, cuda, cuda:N or simt (an emulated GPU, for tests)")
	f.registerCompute(cmd)
	f.registerQuant(cmd)
	f.registerKV(cmd)
	flags.Var(whole(&f.threads, 1, maxThreads), "threads", "threads of a CPU device (default: one a core)")
	f.registerContext(cmd, "tokens a sequence may hold (default: the model's, at most 131072)")
	complete(cmd, "device", "auto", "cpu", "cuda", "simt")
	complete(cmd, "threads")
}

func (f *modelFlags) registerModel(cmd *cobra.Command) {
	cmd.Flags().VarP(nonEmpty(&f.path, "path"), "model", "m",
		"model folder in Hugging Face's layout, or GGUF file (default: the built-in demo model)")
	must(cmd.MarkFlagFilename("model", "gguf"))
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

func (f *modelFlags) registerQuant(cmd *cobra.Command) {
	f.quant = "none"
	register(cmd, &f.quant, "quant", "quantize the weights of a bfloat16 model while it is loaded: none, "+quantHelp, quant.PresetNames())
}

// quantHelp says what is quantized by which scheme.
const quantHelp = "int4 (experts), fp8 (routed experts but for the first and the last layer's), int4-all or fp8-all (all linear layers)"

func (f *modelFlags) registerKV(cmd *cobra.Command) {
	f.kv = "auto"
	register(cmd, &f.kv, "kv", "type of the KV cache: auto (that of --compute), fp8 or int4", llama4.KVCaches())
}

// register adds a flag that has one of some values.
func register(cmd *cobra.Command, to *string, flag, help string, values []string) {
	cmd.Flags().Var(&value{text: *to, kind: "name", set: func(text string) error {
		if !slices.Contains(values, text) {
			return fmt.Errorf("want %s", strings.Join(values, ", "))
		}
		*to = text
		return nil
	}}, flag, help)
	complete(cmd, flag, values...)
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
