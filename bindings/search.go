package bindings

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// modulePath is the module whose build folder is searched.
const modulePath = "github.com/llama4go/llama4go"

// place is one file that may be the library.
type place struct {
	path   string
	source string // why it is looked at, for the error
	system bool   // a bare name, which the system's loader looks up
}

// environment is what the search depends on.
type environment struct {
	variable   string // LLAMA4_LIB
	executable string
	directory  string // the working directory
}

// systemEnvironment reads the environment of this process. What cannot be told
// stays empty and is not searched.
func systemEnvironment() environment {
	env := environment{variable: os.Getenv("LLAMA4_LIB")}
	if path, err := os.Executable(); err == nil {
		env.executable = path
		// A link in ~/bin stands for the file it points to.
		if real, err := filepath.EvalSymlinks(path); err == nil {
			env.executable = real
		}
	}
	if path, err := os.Getwd(); err == nil {
		env.directory = path
	}
	return env
}

// libraryNames are the names of the library's file, the best first.
func libraryNames() []string {
	if runtime.GOOS == "darwin" {
		return []string{"libllama4.0.dylib", "libllama4.dylib"}
	}
	return []string{"libllama4.so.0", "libllama4.so"}
}

// searchPlaces lists the files to try, in order and each once.
func searchPlaces(env environment) []place {
	var places []place
	seen := make(map[string]bool)
	add := func(source, path string, system bool) {
		if !seen[path] {
			seen[path] = true
			places = append(places, place{path: path, source: source, system: system})
		}
	}
	addFolder := func(source, folder string) {
		for _, name := range libraryNames() {
			add(source, filepath.Join(folder, name), false)
		}
	}
	if env.variable != "" {
		// The system's loader takes a name without a slash for one to look up.
		if path, err := filepath.Abs(env.variable); err == nil {
			env.variable = path
		}
		// A setting that does not work is to be noticed, not passed over.
		if info, err := os.Stat(env.variable); err == nil && info.IsDir() {
			addFolder("LLAMA4_LIB", env.variable)
		} else {
			add("LLAMA4_LIB", env.variable, false)
		}
		return places
	}
	if env.executable != "" {
		folder := filepath.Dir(env.executable)
		addFolder("beside the executable", folder)
		addFolder("../lib of the executable", filepath.Join(filepath.Dir(folder), "lib"))
	}
	if root := moduleRoot(env.directory); root != "" {
		addFolder("build folder", filepath.Join(root, "build", "lib"))
	}
	if env.executable != "" {
		if root := moduleRoot(filepath.Dir(env.executable)); root != "" {
			addFolder("build folder", filepath.Join(root, "build", "lib"))
		}
	}
	for _, name := range libraryNames() {
		add("system's path", name, true)
	}
	return places
}

// moduleRoot returns the folder at or above dir that holds this module's go.mod,
// or "" where there is none.
func moduleRoot(dir string) string {
	for dir != "" {
		text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && moduleName(text) == modulePath {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			break
		}
		dir = parent
	}
	return ""
}

// moduleName returns the module line of a go.mod.
func moduleName(text []byte) string {
	for s := bufio.NewScanner(bytes.NewReader(text)); s.Scan(); {
		if fields := strings.Fields(s.Text()); len(fields) >= 2 && fields[0] == "module" {
			return strings.Trim(fields[1], `"`)
		}
	}
	return ""
}
