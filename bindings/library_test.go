package bindings

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLibrary(t *testing.T) {
	info, err := Library()
	require.NoError(t, err)
	require.Equal(t, 2, info.ABI)
	require.Regexp(t, `^\d+\.\d+\.\d+`, info.Version)
	require.NotEmpty(t, info.Path)
}

func TestSearchOrder(t *testing.T) {
	name := libraryNames()[0]
	root := t.TempDir()
	inner := filepath.Join(root, "a", "b")
	other := filepath.Join(root, "a", "other")
	require.NoError(t, os.MkdirAll(inner, 0o755))
	require.NoError(t, os.MkdirAll(other, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(root, "go.mod"), []byte("module "+modulePath+"\n"), 0o644))
	// A module of another name in between is passed over.
	require.NoError(t, os.WriteFile(filepath.Join(root, "a", "go.mod"), []byte("module example.com/a\n"), 0o644))

	var got []string
	for _, p := range searchPlaces(environment{executable: "/opt/x/bin/program", directory: inner}) {
		if filepath.Base(p.path) == name {
			got = append(got, p.source+" "+p.path)
		}
	}
	require.Equal(t, []string{
		"beside the executable " + filepath.Join("/opt/x/bin", name),
		"../lib of the executable " + filepath.Join("/opt/x/lib", name),
		"build folder " + filepath.Join(root, "build", "lib", name),
		"system's path " + name,
	}, got)

	// From the executable, where the working directory is elsewhere.
	places := searchPlaces(environment{executable: filepath.Join(other, "program"), directory: "/"})
	require.Contains(t, places, place{
		path: filepath.Join(root, "build", "lib", name), source: "build folder",
	})
}

func TestSearchVariable(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "some.so")
	require.Equal(t, []place{{path: file, source: "LLAMA4_LIB"}},
		searchPlaces(environment{variable: file, executable: "/bin/x", directory: "/"}))
	places := searchPlaces(environment{variable: folder, executable: "/bin/x", directory: "/"})
	require.Len(t, places, len(libraryNames()))
	require.Equal(t, filepath.Join(folder, libraryNames()[0]), places[0].path)

	// A name alone is a file here, not one to look up elsewhere.
	t.Chdir(folder)
	require.Equal(t, []place{{path: file, source: "LLAMA4_LIB"}}, searchPlaces(environment{variable: "some.so"}))
}

func TestModuleName(t *testing.T) {
	require.Equal(t, "example.com/a", moduleName([]byte("// comment\n\nmodule example.com/a // c\n")))
	require.Equal(t, "example.com/a", moduleName([]byte("module \"example.com/a\"\n")))
	require.Empty(t, moduleName([]byte("go 1.26\n")))
	require.Empty(t, moduleName(nil))
}

// The places of a failed search are all in the error, with what was wrong there.
func TestFindFails(t *testing.T) {
	folder := t.TempDir()
	absent := filepath.Join(folder, "absent.so")
	text := filepath.Join(folder, "text.so")
	require.NoError(t, os.WriteFile(text, []byte("no library"), 0o644))
	foreign := compile(t, "foreign.c")
	old := compile(t, "old.c")
	short := compile(t, "short.c")

	_, err := find([]place{
		{path: absent, source: "LLAMA4_LIB"},
		{path: folder, source: "LLAMA4_LIB"},
		{path: text, source: "beside the executable"},
		{path: foreign, source: "build folder"},
		{path: "libllama4-nowhere.so", source: "system's path", system: true},
	})
	require.ErrorIs(t, err, ErrLibraryNotFound)
	require.NotErrorIs(t, err, ErrLibraryVersion)
	message := err.Error()
	require.NotContains(t, message, "\n")
	require.Contains(t, message, "`make build`")
	require.Contains(t, message, absent+" (LLAMA4_LIB): not there")
	require.Contains(t, message, folder+" (LLAMA4_LIB): not a file")
	require.Contains(t, message, text+" (beside the executable): ")
	require.Contains(t, message, foreign+" (build folder): it has no ll4_get_api")
	require.Contains(t, message, "libllama4-nowhere.so (system's path): ")

	_, err = find([]place{{path: absent, source: "a"}, {path: old, source: "b"}})
	require.ErrorIs(t, err, ErrLibraryVersion)
	require.Contains(t, err.Error(), "ABI 99 where this program needs 2")

	// The right version with fewer functions was built before its release.
	_, err = find([]place{{path: short, source: "a"}})
	require.ErrorIs(t, err, ErrLibraryVersion)
}

// A library of the wrong version does not keep the right one from being found.
func TestFindGoesOn(t *testing.T) {
	info, err := Library()
	require.NoError(t, err)
	l, err := find([]place{
		{path: compile(t, "old.c"), source: "a"},
		{path: info.Path, source: "b", system: !filepath.IsAbs(info.Path)},
	})
	require.NoError(t, err)
	require.Equal(t, info.Path, l.path)
}

// compile makes a shared library of a file in testdata.
func compile(t *testing.T, source string) string {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("no shared libraries are loaded on Windows")
	}
	out := filepath.Join(t.TempDir(), source+".so")
	build(t, "-shared", "-fPIC", "-o", out, filepath.Join("testdata", source))
	return out
}

// build runs the C compiler that cgo uses.
func build(t *testing.T, args ...string) {
	t.Helper()
	cc := os.Getenv("CC")
	if cc == "" {
		cc = "cc"
	}
	path, err := exec.LookPath(cc)
	if err != nil {
		t.Skipf("no C compiler: %v", err)
	}
	out, err := exec.Command(path, append([]string{"-std=c11", "-Wall", "-Wextra", "-Werror"}, args...)...).CombinedOutput()
	require.NoError(t, err, "%s", out)
}
