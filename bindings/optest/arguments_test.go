package optest

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/llama4go/llama4go/bindings"
)

// operation is an operation with arguments that work, to be broken one by one.
type operation struct {
	name    string
	call    func() error
	tensors []field
	// mistakes are wrong arguments beyond those that every tensor can have.
	mistakes []mistake
	// contents are the integers that decide what memory is touched.
	contents []content
}

// field is a tensor of the arguments.
type field struct {
	name     string
	tensor   *bindings.Tensor
	optional bool
	half     bool // may be in fp16, which nothing else may
}

// mistake changes an argument and names the field that the error must name.
type mistake struct {
	name  string
	field string
	apply func() (undo func())
}

// content puts wrong integers into a tensor.
type content struct {
	name   string
	field  string
	tensor *bindings.Tensor
	values []int32
}

// set is a mistake that assigns one argument.
func set[T any](name, field string, at *T, wrong T) mistake {
	return mistake{name: name, field: field, apply: func() func() {
		right := *at
		*at = wrong
		return func() { *at = right }
	}}
}

// reshape is a mistake that views a tensor in another shape.
func reshape(name, field string, at *bindings.Tensor, shape ...int64) mistake {
	return mistake{name: name, field: field, apply: func() func() {
		right := *at
		wrong := right.Buffer.Tensor(right.DType, shape...)
		wrong.Offset = right.Offset
		*at = wrong
		return func() { *at = right }
	}}
}

// requireRefused checks that a call fails as a wrong argument, by name.
func requireRefused(t *testing.T, op operation, field string) {
	t.Helper()
	requireInvalid(t, op.call(), op.name, field)
}

// requireFault checks that wrong values in a device's memory are found: by the call
// on the CPU, at the latest by what waits for the stream on a GPU.
func requireFault(t *testing.T, r *rig, op operation, field string) {
	t.Helper()
	err := op.call()
	if err != nil || r.info.CPU() {
		requireInvalid(t, err, op.name, field)
		return
	}
	requireInvalid(t, r.stream.Synchronize(), "stream_synchronize", field)
	require.NoError(t, r.stream.Synchronize(), "a fault is reported once")
}

func requireInvalid(t *testing.T, err error, op, field string) {
	t.Helper()
	require.ErrorIs(t, err, bindings.ErrInvalidArgument)
	var e *bindings.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, op, e.Op)
	require.Contains(t, e.Message, field)
	require.NotContains(t, e.Message, "\n")
}

func TestArguments(t *testing.T) {
	onTargets(t, func(t *testing.T, r *rig) {
		for _, op := range operations(r) {
			t.Run(op.name, func(t *testing.T) {
				require.NoError(t, op.call())
				for _, f := range op.tensors {
					breakTensor(t, r, op, f)
				}
				for _, m := range op.mistakes {
					t.Run(m.name, func(t *testing.T) {
						undo := m.apply()
						defer undo()
						requireFault(t, r, op, m.field) // some are wrong beside what a buffer holds
					})
				}
				for _, c := range op.contents {
					t.Run(c.name, func(t *testing.T) {
						right := r.readInts(*c.tensor)
						require.NoError(t, bindings.Write(r.stream, *c.tensor, c.values))
						defer func() { require.NoError(t, bindings.Write(r.stream, *c.tensor, right)) }()
						requireFault(t, r, op, c.field)
					})
				}
				require.NoError(t, op.call(), "the device must have survived")
				require.NoError(t, r.stream.Synchronize())
			})
		}
	})
}

// breakTensor makes every mistake that a tensor can have.
func breakTensor(t *testing.T, r *rig, op operation, f field) {
	right := *f.tensor
	contentOf := func(b *bindings.Buffer) []byte {
		out := make([]byte, b.Bytes())
		require.NoError(t, r.stream.ReadBytes(b, 0, out))
		return out
	}
	before := contentOf(right.Buffer)
	mistakes := map[string]func(x *bindings.Tensor){
		"unknown type":    func(x *bindings.Tensor) { x.DType = 99 },
		"no type":         func(x *bindings.Tensor) { x.DType = 0 },
		"another type":    func(x *bindings.Tensor) { x.DType = bindings.F16 },
		"negative offset": func(x *bindings.Tensor) { x.Offset = -right.DType.Size() },
		"smallest offset": func(x *bindings.Tensor) { x.Offset = math.MinInt64 },
		"past the buffer": func(x *bindings.Tensor) { x.Offset = right.Buffer.Bytes() - right.Bytes() + right.DType.Size() },
		"largest offset":  func(x *bindings.Tensor) { x.Offset = math.MaxInt64 - 3 },
		"misaligned":      func(x *bindings.Tensor) { x.Offset++ },
		"another rank":    func(x *bindings.Tensor) { *x = moreDimensions(right) },
		"bad slice":       func(x *bindings.Tensor) { *x = right.Rows(0, right.Dim(0)+1) },
	}
	if right.DType.Size() == 1 {
		delete(mistakes, "misaligned")
	}
	if f.half {
		mistakes["another type"] = func(x *bindings.Tensor) { x.DType = bindings.I32 }
	}
	if !f.optional {
		mistakes["absent"] = func(x *bindings.Tensor) { *x = bindings.Tensor{} }
	}
	for name, change := range mistakes {
		t.Run(f.name+" "+name, func(t *testing.T) {
			defer func() { *f.tensor = right }()
			change(f.tensor)
			requireRefused(t, op, f.name)
		})
	}
	// Shapes that cannot be: whichever field is named, nothing may be touched.
	for name, shape := range map[string]func(s []int64){
		"more rows":    func(s []int64) { s[0] += 1000 },
		"more columns": func(s []int64) { s[len(s)-1] += 1000 },
		"enormous":     func(s []int64) { s[0] = 1 << 40 },
		"wrapping":     func(s []int64) { s[0] = 1 << 61 },
	} {
		t.Run(f.name+" "+name, func(t *testing.T) {
			defer func() { *f.tensor = right }()
			s := right.Shape()
			shape(s)
			*f.tensor = right.Buffer.Tensor(right.DType, s...)
			f.tensor.Offset = right.Offset
			requireRefused(t, op, "")
		})
	}
	require.Equal(t, before, contentOf(right.Buffer), "%s was written by a refused call", f.name)
}

// moreDimensions adds a dimension of 1, or merges the first two of four.
func moreDimensions(x bindings.Tensor) bindings.Tensor {
	s := x.Shape()
	if len(s) == bindings.MaxRank {
		return x.Reshape(s[0]*s[1], s[2], s[3])
	}
	return x.Reshape(append(s, 1)...)
}

// Random integers in the tensors that lead to memory: an error or a result, but
// never a touch of anything else.
func TestRandomContents(t *testing.T) {
	onTargets(t, func(t *testing.T, r *rig) {
		rng := rand.New(rand.NewPCG(7, 7))
		edges := []int32{-1, 0, 1, 2, 3, 4, 5, 7, 8, 100, math.MaxInt32, math.MinInt32, math.MaxInt32 - 1}
		for _, op := range operations(r) {
			seen := make(map[*bindings.Tensor]bool)
			for _, c := range op.contents {
				if seen[c.tensor] {
					continue
				}
				seen[c.tensor] = true
				right := r.readInts(*c.tensor)
				for range 60 {
					values := slices.Clone(right)
					for range 1 + rng.IntN(2) {
						values[rng.IntN(len(values))] = edges[rng.IntN(len(edges))]
					}
					require.NoError(t, bindings.Write(r.stream, *c.tensor, values))
					err := op.call()
					if err == nil {
						err = r.stream.Synchronize()
					}
					if err != nil {
						require.ErrorIs(t, err, bindings.ErrInvalidArgument, "%s, %s %v", op.name, c.field, values)
					}
				}
				require.NoError(t, bindings.Write(r.stream, *c.tensor, right))
			}
			require.NoError(t, op.call())
			require.NoError(t, r.stream.Synchronize())
		}
	})
}

// Starts that lead out of the tensors, of sequences that are no longer than the bound
// and so look right by themselves.
func TestStartsInTheMiddle(t *testing.T) {
	onTargets(t, func(t *testing.T, r *rig) {
		for _, starts := range [][]int32{{0, -1, 3, 4}, {0, 5, 8, 4}} {
			kv := smallKV(r)
			kv.PageTable = r.indices("kv.page_table", 0, 1, 2, 3, 4, 5).Reshape(3, 2)
			kv.FirstPage = bindings.Tensor{}
			a := &bindings.AttentionArgs{
				Scale: 0.5, KV: kv, Q: r.zerosAct("q", 4, 4, 4), Out: r.zerosAct("out", 4, 4, 4),
				Batch: bindings.Batch{
					Sequences: 3, Tokens: 4, MaxNew: 4, MaxContext: 4,
					SeqStart: r.indices("batch.seq_start", starts...), Past: r.indices("batch.past", 0, 0, 0),
				},
			}
			op := operation{name: "attention", call: func() error { return r.stream.Attention(a) }}
			requireFault(t, r, op, "batch.seq_start")
		}
	})
}
