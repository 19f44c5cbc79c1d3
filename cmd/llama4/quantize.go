package main

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/llama4go/llama4go/llama4"
	"github.com/llama4go/llama4go/llama4/quant"
)

const quantizeHelp = `Quantize writes a bfloat16 checkpoint to a new folder, its weights quantized, so that
they need not be while it is loaded, and take less room on the disk. The folder loads as
the checkpoint does with the same --quant, to the same bits, and transformers reads it: the
layouts are those of compressed-tensors, pack-quantized for int4 and float-quantized for
fp8. The other files of the checkpoint are copied.

A run that ended early, for whatever reason, is continued by the same command: files that
are there are kept. Until the last is written the folder has no config.json, so nobody
takes it for whole.

It runs on the CPU, on all cores, and takes the memory of an expert or two.`

// quantizeFlags are the flags of quantize.
type quantizeFlags struct {
	model modelFlags
	out   string
	shard int64
}

func (a *app) quantizeCommand() *cobra.Command {
	f := quantizeFlags{shard: llama4.DefaultShardBytes}
	cmd := &cobra.Command{
		Use:     "quantize",
		Short:   "Write a quantized checkpoint",
		Long:    quantizeHelp,
		Example: "  llama4 quantize -m ~/models/Llama-4-Scout-17B-16E-Instruct -o ~/models/scout-int4 --quant int4",
		Args:    noArguments(": name the new folder with -o"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.out == "" {
				return usage(cmd, "no folder to write: name it with -o")
			}
			if f.model.quant == "" {
				return usage(cmd, "no scheme: name it with --quant")
			}
			return interruptible(cmd.Context(), func(ctx context.Context) error { return a.quantize(ctx, &f) })
		},
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.VarP(nonEmpty(&f.model.path, "folder"), "model", "m",
		"the bfloat16 checkpoint, a folder in Hugging Face's layout (default: the built-in demo model)")
	must(cmd.MarkFlagDirname("model"))
	flags.VarP(nonEmpty(&f.out, "folder"), "output", "o", "the folder to write, new or of a run that ended early")
	must(cmd.MarkFlagDirname("output"))
	register(cmd, &f.model.quant, "quant", "what to quantize to: "+quantHelp, quant.PresetNames()[1:])
	shard := bytesValue(&f.shard)
	shard.text = "5GB"
	flags.Var(shard, "shard-size", "size of a file of weights, at most")
	complete(cmd, "shard-size")
	flags.Var(whole(&f.model.threads, 1, maxThreads), "threads", "threads (default: one a core)")
	complete(cmd, "threads")
	return cmd
}

func (a *app) quantize(ctx context.Context, f *quantizeFlags) error {
	folder, err := f.model.folder()
	if err != nil {
		return err
	}
	preset, err := quant.ParsePreset(f.model.quant)
	if err != nil {
		return err
	}
	s, err := f.model.subject()
	if err != nil {
		return err
	}
	if err := s.weights.CheckQuant(preset); err != nil {
		return f.model.wrap(err)
	}
	bar := newProgress(a.stderr, "quantizing "+f.model.name())
	done, err := llama4.Quantize(ctx, folder, f.model.quant, f.out, &llama4.QuantizeOptions{
		Threads: f.model.threads, ShardBytes: f.shard, Progress: bar.update,
	})
	bar.close()
	if err != nil {
		return f.explain(err)
	}
	kept := ""
	if done.Kept > 0 {
		kept = fmt.Sprintf(", %d of them kept", done.Kept)
	}
	a.remark("%s: %s in %s%s", f.out, size(done.Bytes), plural(done.Files, "file"), kept)
	return nil
}

// explain adds to an error what to do about it.
func (f *quantizeFlags) explain(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w: make room and run the command again, which keeps the files that are whole", err)
	}
	return err
}
