package bindings

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/llama4go/llama4go/csrc"
)

// header is llama4.h without comments.
var header = regexp.MustCompile(`(?s)/\*.*?\*/`).ReplaceAllString(csrc.Header, " ")

// exported lists the functions of the header without their prefix, in order.
func exported() []string {
	var names []string
	for _, m := range regexp.MustCompile(`LL4_EXPORT[\w\s*]*?\bll4_(\w+)\s*\(`).FindAllStringSubmatch(header, -1) {
		names = append(names, m[1])
	}
	return names
}

// operations lists the functions that take a stream and an args struct.
func operations() []string {
	var names []string
	for _, m := range regexp.MustCompile(`LL4_EXPORT\s+ll4_status\s+ll4_(\w+)\(\s*ll4_stream\s*\*\s*,\s*const\s+ll4_(\w+)_args\s*\*`).FindAllStringSubmatch(header, -1) {
		if m[1] == m[2] {
			names = append(names, m[1])
		}
	}
	return names
}

// structBody returns what stands between the braces of a struct.
func structBody(t *testing.T, name string) string {
	t.Helper()
	m := regexp.MustCompile(`(?s)typedef struct ` + name + ` \{(.*?)\} ` + name + `;`).FindStringSubmatch(header)
	require.NotNil(t, m, "struct %s", name)
	return m[1]
}

// structFields lists the fields of a struct without function pointers.
func structFields(t *testing.T, name string) []string {
	t.Helper()
	var fields []string
	for line := range strings.SplitSeq(structBody(t, name), ";") {
		words := strings.FieldsFunc(strings.Split(line, "[")[0], func(r rune) bool {
			return r == ' ' || r == '\n' || r == '*'
		})
		if len(words) > 0 {
			fields = append(fields, words[len(words)-1])
		}
	}
	return fields
}

func TestHeaderIsRead(t *testing.T) {
	require.Len(t, operations(), 16)
	require.Contains(t, exported(), "get_api")
	require.Equal(t, []string{"size", "x", "out"}, structFields(t, "ll4_log_softmax_args"))
	require.Contains(t, structFields(t, "ll4_tensor"), "shape")
}

// Every function of the header is in the table, which grows at its end wherever the
// header declares what is new, and the bindings call every one.
func TestTableHasEveryFunction(t *testing.T) {
	var table []string
	for _, m := range regexp.MustCompile(`\(\*(\w+)\)\(`).FindAllStringSubmatch(structBody(t, "ll4_api"), -1) {
		table = append(table, m[1])
	}
	outside := []string{"get_api", "abi_version"}
	require.ElementsMatch(t, slices.DeleteFunc(exported(), func(name string) bool {
		return slices.Contains(outside, name)
	}), table)

	source := goSource(t)
	// A Buffer knows its own size.
	table = slices.DeleteFunc(table, func(name string) bool { return name == "buffer_bytes" })
	for _, name := range table {
		require.Contains(t, source, "api->"+name+"(")
	}
}

// goSource returns the text of the package's files.
func goSource(t *testing.T) string {
	t.Helper()
	paths, err := filepath.Glob("*.go")
	require.NoError(t, err)
	var text strings.Builder
	for _, path := range paths {
		if !strings.HasSuffix(path, "_test.go") {
			source, err := os.ReadFile(path)
			require.NoError(t, err)
			text.Write(source)
		}
	}
	return text.String()
}

// An operation is found by its name in every layer.
func TestOneNameInEveryLayer(t *testing.T) {
	for _, op := range operations() {
		for _, path := range []string{
			op + ".go", "optest/" + op + ".go", "optest/" + op + "_test.go", "../csrc/cpu/" + op + ".cpp",
		} {
			require.FileExists(t, path)
		}
	}
}

// Every field of every struct that the bindings hand over is set.
func TestEveryFieldIsSet(t *testing.T) {
	set := compositeLiterals(t)
	names := []string{"ll4_tensor", "ll4_weight", "ll4_batch", "ll4_kv"}
	for _, op := range operations() {
		names = append(names, "ll4_"+op+"_args")
	}
	for _, name := range names {
		fields := slices.DeleteFunc(structFields(t, name), func(f string) bool { return f == "reserved" })
		require.ElementsMatch(t, fields, set[name], "%s", name)
	}
	source := goSource(t)
	for _, field := range structFields(t, "ll4_device_info") {
		if field != "size" {
			require.Contains(t, source, "info."+field)
		}
	}
}

// compositeLiterals returns the keys of each C.name{...} in the package.
func compositeLiterals(t *testing.T) map[string][]string {
	t.Helper()
	paths, err := filepath.Glob("*.go")
	require.NoError(t, err)
	set := make(map[string][]string)
	for _, path := range paths {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		require.NoError(t, err)
		ast.Inspect(file, func(n ast.Node) bool {
			literal, ok := n.(*ast.CompositeLit)
			if !ok || len(literal.Elts) == 0 {
				return true
			}
			if selector, ok := literal.Type.(*ast.SelectorExpr); ok {
				for _, element := range literal.Elts {
					if kv, ok := element.(*ast.KeyValueExpr); ok {
						key := fmt.Sprint(kv.Key)
						set[selector.Sel.Name] = append(set[selector.Sel.Name], key)
					}
				}
			}
			return true
		})
	}
	return set
}

// The Go structs have the fields of the C ones, by name.
func TestGoStructsMirrorC(t *testing.T) {
	mirrors := map[string]any{
		"ll4_batch": Batch{}, "ll4_kv": KV{}, "ll4_weight": Weight{}, "ll4_device_info": Info{},
		"ll4_device_options": Options{},
		"ll4_embed_args":     EmbedArgs{}, "ll4_rms_norm_args": RMSNormArgs{},
		"ll4_qkv_epilogue_args": QKVEpilogueArgs{}, "ll4_attention_args": AttentionArgs{},
		"ll4_matmul_args": MatmulArgs{}, "ll4_router_args": RouterArgs{},
		"ll4_grouped_matmul_args": GroupedMatmulArgs{}, "ll4_swiglu_args": SwiGLUArgs{},
		"ll4_logits_args": LogitsArgs{}, "ll4_log_softmax_args": LogSoftmaxArgs{},
		"ll4_top_k_args": TopKArgs{}, "ll4_sample_args": SampleArgs{},
		"ll4_layer_norm_args": LayerNormArgs{}, "ll4_unfold_args": UnfoldArgs{},
		"ll4_pixel_shuffle_args": PixelShuffleArgs{}, "ll4_quantize_args": QuantizeArgs{},
	}
	for _, op := range operations() {
		require.Contains(t, mirrors, "ll4_"+op+"_args")
	}
	for name, mirror := range mirrors {
		var want, got []string
		for _, field := range structFields(t, name) {
			switch {
			case field == "size" || field == "reserved":
			case name == "ll4_matmul_args" && field == "parts": // len(Weights)
			case name == "ll4_matmul_args" && field == "weight":
				want = append(want, "weights")
			default:
				want = append(want, strings.ReplaceAll(field, "_", ""))
			}
		}
		for _, field := range reflect.VisibleFields(reflect.TypeOf(mirror)) {
			got = append(got, strings.ToLower(field.Name))
		}
		require.ElementsMatch(t, want, got, "%s", name)
	}
}

// The constants have the values of the header.
func TestConstants(t *testing.T) {
	values := make(map[string]string)
	for _, m := range regexp.MustCompile(`\b(LL4_\w+)\s*=\s*(\d+)`).FindAllStringSubmatch(header, -1) {
		values[m[1]] = m[2]
	}
	tests := map[string]any{
		"LL4_OK":               Code(0),
		"LL4_INVALID_ARGUMENT": ErrInvalidArgument, "LL4_OUT_OF_MEMORY": ErrOutOfMemory,
		"LL4_UNSUPPORTED": ErrUnsupported, "LL4_NO_DEVICE": ErrNoDevice,
		"LL4_DEVICE_LOST": ErrDeviceLost, "LL4_INTERNAL": ErrInternal,
		"LL4_F32": F32, "LL4_BF16": BF16, "LL4_F16": F16, "LL4_I32": I32,
		"LL4_F8": F8, "LL4_I8": I8, "LL4_I4": I4,
		"LL4_ACTIVATIONS_PLAIN": ActivationsPlain, "LL4_ACTIVATIONS_F8_ROW": ActivationsF8Row,
		"LL4_ACTIVATIONS_F8_GROUP": ActivationsF8Group, "LL4_ACTIVATIONS_F8_TENSOR": ActivationsF8Tensor,
		"LL4_COMPUTE_AUTO": ComputeAuto, "LL4_COMPUTE_F32": ComputeF32, "LL4_COMPUTE_BF16": ComputeBF16,
		"LL4_ACTIVATION_NONE": ActivationNone, "LL4_ACTIVATION_GELU": ActivationGELU,
		"LL4_LAYOUT_NK": LayoutNK, "LL4_LAYOUT_KN": LayoutKN,
		"LL4_MAX_RANK": MaxRank, "LL4_MAX_PARTS": MaxParts,
	}
	for name, value := range tests {
		require.Equal(t, values[name], fmt.Sprint(reflect.ValueOf(value).Int()), name)
		delete(values, name)
	}
	require.Empty(t, values, "constants of llama4.h without a twin here")
}

// The library exports the functions of the header and nothing else.
func TestExports(t *testing.T) {
	info, err := Library()
	require.NoError(t, err)
	if !filepath.IsAbs(info.Path) {
		t.Skip("the library came from the system's path")
	}
	args := []string{"-D", "--defined-only", "--format=posix", info.Path}
	if runtime.GOOS == "darwin" {
		args = []string{"-gU", "-P", info.Path}
	}
	nm, err := exec.LookPath("nm")
	if err != nil {
		t.Skipf("no nm: %v", err)
	}
	out, err := exec.Command(nm, args...).Output()
	require.NoError(t, err)
	var got []string
	for line := range strings.Lines(string(out)) {
		// A name and its kind; A is the name of a version, not of a function.
		if f := strings.Fields(line); len(f) >= 2 && f[1] != "A" {
			name, _, _ := strings.Cut(f[0], "@")
			got = append(got, strings.TrimPrefix(name, "_"))
		}
	}
	want := exported()
	for i := range want {
		want[i] = "ll4_" + want[i]
	}
	require.ElementsMatch(t, want, got)
}
