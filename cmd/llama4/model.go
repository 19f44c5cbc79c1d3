package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/llama4go/llama4go/bindings"
	"github.com/llama4go/llama4go/llama4"
	"github.com/llama4go/llama4go/llama4/demo"
	"github.com/llama4go/llama4go/llama4/gguf"
)

// name is what people call the model.
func (f *modelFlags) name() string {
	if f.path == "" {
		return "demo model"
	}
	if abs, err := filepath.Abs(f.path); err == nil {
		return filepath.Base(abs)
	}
	return f.path
}

// folder returns the model's folder, the demo's if none was given.
func (f *modelFlags) folder() (fs.FS, error) {
	if f.path == "" {
		return demo.FS(), nil
	}
	info, err := os.Stat(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("model folder %s: it does not exist", f.path)
	}
	if err != nil {
		return nil, fmt.Errorf("model folder: %w", err)
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("model %s: a file, want a folder that holds config.json", f.path)
	}
	return os.DirFS(f.path), nil
}

// config reads config.json and checks --ctx against it.
func (f *modelFlags) config(folder fs.FS) (*llama4.Config, error) {
	c, err := llama4.LoadConfigFS(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, f.wrap(errors.New("no config.json there: want a model folder in Hugging Face's layout"))
	}
	if err != nil {
		return nil, f.wrap(err)
	}
	return c, f.checkContext(c)
}

func (f *modelFlags) checkContext(c *llama4.Config) error {
	if f.context > c.MaxPositions {
		return f.wrap(fmt.Errorf("--ctx is %d, but the model has %d positions", f.context, c.MaxPositions))
	}
	return nil
}

// isFile reports whether the model is a file, which is one in the GGUF format.
func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// gguf opens a model that is a file and reads its configuration.
func (f *modelFlags) gguf() (*gguf.File, *llama4.Config, error) {
	file, err := gguf.Open(f.path)
	if err != nil {
		return nil, nil, err
	}
	c, err := llama4.GGUFConfig(file)
	if err != nil {
		err = f.wrap(err)
	} else {
		err = f.checkContext(c)
	}
	if err != nil {
		_ = file.Close()
		return nil, nil, err
	}
	return file, c, nil
}

// opener checks what the model is and returns a function that loads it.
func (f *modelFlags) opener() (func(context.Context, *llama4.Options) (*llama4.Model, error), error) {
	if isFile(f.path) {
		file, _, err := f.gguf()
		if err != nil {
			return nil, err
		}
		return func(ctx context.Context, o *llama4.Options) (*llama4.Model, error) {
			return llama4.Open(ctx, f.path, o)
		}, file.Close()
	}
	folder, err := f.folder()
	if err != nil {
		return nil, err
	}
	_, err = f.config(folder)
	return func(ctx context.Context, o *llama4.Options) (*llama4.Model, error) {
		m, err := llama4.OpenFS(ctx, folder, o)
		return m, f.wrap(err)
	}, err
}

// wrap names the folder in an error about it.
func (f *modelFlags) wrap(err error) error {
	if err == nil || f.path == "" {
		return err
	}
	return fmt.Errorf("%s: %w", f.path, err)
}

// loaded is a model that is ready, and how it got there.
type loaded struct {
	*llama4.Model
	name string
	took time.Duration
}

// load opens the model that the flags ask for, with a progress bar on a terminal.
func (a *app) load(ctx context.Context, f *modelFlags) (*loaded, error) {
	open, err := f.opener()
	if err != nil {
		return nil, err
	}
	start := time.Now()
	bar := newProgress(a.stderr, "loading "+f.name())
	model, err := open(ctx, &llama4.Options{
		Device: f.device, Compute: f.compute, Threads: f.threads, Context: f.context,
		Quant: f.quant, KVCache: f.kv,
		Progress: bar.update, Log: slog.New(&warnings{out: a.stderr}),
	})
	bar.close()
	var failed *bindings.Error
	if errors.As(err, &failed) && failed.Op == "device_open" {
		return nil, fmt.Errorf("device %s: %s", f.device, failed.Message)
	}
	if err != nil {
		return nil, err
	}
	m := &loaded{Model: model, name: f.name(), took: time.Since(start)}
	if f.device == "auto" {
		a.warnOfIdleGPU(model)
	}
	return m, nil
}

// withModel runs part of a command with the model that the flags ask for.
func (a *app) withModel(ctx context.Context, f *modelFlags, part func(*loaded) error) error {
	m, err := a.load(ctx, f)
	if err != nil {
		return err
	}
	err = part(m)
	if closed := m.Close(); err == nil {
		err = closed
	}
	return err
}
