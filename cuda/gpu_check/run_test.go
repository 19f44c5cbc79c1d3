package gpucheck

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The programs of a bundle, and the tools of a machine, as scripts that note how
// they were called. FAKE_FAIL names the one that fails.
const (
	fakeTests = `#!/bin/sh
name=$(basename "$0" .test)
echo "$name $* device=$LLAMA4_TEST_DEVICES,$LLAMA4_DEVICE lib=$LLAMA4_LIB at=$(pwd)" >>"$FAKE_LOG"
for t in TestMatmul TestAttention "TestAutoMode/$LLAMA4_DEVICE" "TestGraphSteps/$LLAMA4_DEVICE" \
  TestSharedStreamOnGPU TestExampleOnGPU; do
  if [ "$t" = "$FAKE_SKIP" ]; then echo "--- SKIP: $t (0.00s)"; else echo "--- PASS: $t (0.00s)"; fi
done
if [ "$1" = -table ]; then echo "| table with peers |"; exit; fi
while [ $# -gt 0 ]; do
  if [ "$1" = -report ]; then echo '{}' >"$2/bench.json"; echo "| table |" >"$2/bench.txt"; fi
  shift
done
[ "$FAKE_FAIL" != "$name" ] || { echo "    Error: wrong by far"; exit 3; }
`
	fakeSanitizer = `#!/bin/sh
echo "sanitizer $*" >>"$FAKE_LOG"
echo "========= ERROR SUMMARY"
[ "$FAKE_FAIL" != "$2" ] || exit 86
`
	fakeSMI = `#!/bin/sh
[ "$FAKE_FAIL" != nvidia-smi ] || { echo "No devices were found"; exit 6; }
case $* in
*query-gpu=name*) echo "NVIDIA H100 80GB HBM3" ;;
*query-gpu=pstate*) echo "P0" ;;
*query-gpu=*) echo "a value" ;;
*) echo "| Driver Version: 580.65.06   CUDA Version: 13.0  |" ;;
esac
`
	fakeNvcc   = "#!/bin/sh\necho 'Cuda compilation tools, release 13.0, V13.0.88'\n"
	fakePython = `#!/bin/sh
case $1 in -c) [ "$FAKE_FAIL" != torch ] ;; *) echo "python $*" >>"$FAKE_LOG"; [ "$FAKE_FAIL" != peers ] ;; esac
`
)

// machine is a bundle and a machine to run it on.
type machine struct {
	t                      *testing.T
	bundle, tools, results string
}

func newMachine(t *testing.T) *machine {
	t.Helper()
	root := t.TempDir()
	m := &machine{t: t, bundle: filepath.Join(root, "bundle"), tools: filepath.Join(root, "tools"), results: filepath.Join(root, "out")}
	script, err := os.ReadFile("run.sh")
	require.NoError(t, err)
	m.write("bundle/run.sh", string(script))
	m.write("bundle/commit", "0123456789ab\n")
	for _, name := range []string{"optest", "llama4", "cuinterop", "bench"} {
		m.write("bundle/bin/"+name+".test", fakeTests)
		require.NoError(t, os.Mkdir(filepath.Join(m.bundle, name), 0o755))
	}
	m.write("tools/compute-sanitizer", fakeSanitizer)
	m.write("tools/nvidia-smi", fakeSMI)
	m.write("tools/nvcc", fakeNvcc)
	m.write("tools/python3", fakePython)
	// Nothing of the real machine but what every one has.
	for _, name := range []string{
		"awk", "basename", "cat", "date", "dirname", "grep", "head", "mkdir", "rm", "sed", "sh", "tail", "tee", "tr", "uname",
	} {
		path, err := exec.LookPath(name)
		require.NoError(t, err)
		require.NoError(t, os.Symlink(path, filepath.Join(m.tools, name)))
	}
	return m
}

func (m *machine) write(path, text string) {
	m.t.Helper()
	path = filepath.Join(filepath.Dir(m.bundle), path)
	require.NoError(m.t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(m.t, os.WriteFile(path, []byte(text), 0o755))
}

func (m *machine) lacks(tool string) {
	m.t.Helper()
	require.NoError(m.t, os.Remove(filepath.Join(m.tools, tool)))
}

// run runs the script and returns what it printed and its exit status.
func (m *machine) run(environment ...string) (string, int) {
	m.t.Helper()
	cmd := exec.Command(filepath.Join(m.tools, "sh"), filepath.Join(m.bundle, "run.sh"), m.results)
	cmd.Env = append([]string{
		"PATH=" + m.tools, "CUDA_HOME=" + m.tools + "/none", "FAKE_LOG=" + filepath.Join(m.bundle, "calls"),
		"FAKE_FAIL=", "FAKE_SKIP=",
	}, environment...)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		require.NoError(m.t, err, string(out))
	}
	return string(out), cmd.ProcessState.ExitCode()
}

func (m *machine) read(path ...string) string {
	m.t.Helper()
	text, err := os.ReadFile(filepath.Join(path...))
	require.NoError(m.t, err)
	return string(text)
}

// verdicts maps the steps of the summary to what became of them.
func verdicts(t *testing.T, out string) map[string]string {
	t.Helper()
	_, summary, found := strings.Cut(out, "\nSummary\n")
	require.True(t, found, out)
	result := map[string]string{}
	for line := range strings.Lines(summary) {
		if fields := strings.Fields(line); len(fields) > 2 && !strings.HasPrefix(line, "gpu-check") {
			result[fields[1]] = fields[0]
		}
	}
	return result
}

var steps = []string{"kernels", "model", "memcheck", "racecheck", "synccheck", "initcheck", "cuinterop", "bench", "peers"}

func TestAllPass(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	out, code := m.run()
	require.Zero(t, code, out)
	got := verdicts(t, out)
	require.Len(t, got, len(steps))
	for _, step := range steps {
		require.Equal(t, "passed", got[step], step)
	}
	results := filepath.Join(m.results, "results-nvidia-h100-80gb-hbm3")
	report := m.read(results, "report.txt")
	for _, text := range []string{
		"commit 0123456789ab", "NVIDIA H100 80GB HBM3", "pstate             P0", "driver's CUDA      13.0", "nvcc               13.0",
		"passed   kernels", "| table with peers |", "gpu-check passed",
	} {
		require.Contains(t, report, text)
	}
	require.Contains(t, m.read(results, "bench.txt"), "| table with peers |")
	calls := m.read(m.bundle, "calls")
	require.Contains(t, calls, "device=cuda,cuda lib="+m.bundle+"/lib at="+m.bundle+"/llama4\n")
	require.Contains(t, calls, "-report "+results+" -commit 0123456789ab")
	for _, tool := range steps[2:6] {
		require.Contains(t, calls, "sanitizer --tool "+tool+" --error-exitcode 86 "+m.bundle+"/bin/optest.test -test.v -test.count 1 -test.short")
	}
}

// A step that fails fails the check, says why, and does not keep the others from
// running.
func TestOneFails(t *testing.T) {
	t.Parallel()
	for program, step := range map[string]string{
		"optest": "kernels", "llama4": "model", "memcheck": "memcheck", "racecheck": "racecheck", "synccheck": "synccheck",
		"initcheck": "initcheck", "cuinterop": "cuinterop", "bench": "bench", "peers": "peers",
	} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			out, code := newMachine(t).run("FAKE_FAIL=" + program)
			require.Equal(t, 1, code, out)
			for name, verdict := range verdicts(t, out) {
				if name == step {
					require.Equal(t, "FAILED", verdict, name)
				} else {
					require.Equal(t, "passed", verdict, name)
				}
			}
			require.Contains(t, out, "gpu-check FAILED")
			require.Contains(t, out, "logs/"+step+".txt")
			if step == "kernels" {
				require.Contains(t, out, "exit status 3")
				require.Contains(t, out, "Error: wrong by far")
			}
		})
	}
}

// A test that was skipped although everything depends on it is no success.
func TestSkippedTestFails(t *testing.T) {
	t.Parallel()
	for test, step := range map[string]string{
		"TestAttention": "kernels", "TestAutoMode/cuda": "model", "TestSharedStreamOnGPU": "cuinterop",
	} {
		out, code := newMachine(t).run("FAKE_SKIP=" + test)
		require.Equal(t, 1, code, out)
		require.Equal(t, "FAILED", verdicts(t, out)[step])
		require.Contains(t, out, test+" did not run")
	}
}

func TestMissingTools(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	for _, tool := range []string{"compute-sanitizer", "python3", "nvcc"} {
		m.lacks(tool)
	}
	out, code := m.run()
	require.Zero(t, code, out)
	got := verdicts(t, out)
	for _, step := range []string{"memcheck", "racecheck", "synccheck", "initcheck", "peers"} {
		require.Equal(t, "skipped", got[step], step)
	}
	require.Equal(t, "passed", got["kernels"])
	require.Contains(t, out, "there is no compute-sanitizer on PATH or in ")
	require.Contains(t, out, "there is no python3")
	require.Contains(t, out, "nvcc               not here")

	out, code = newMachine(t).run("FAKE_FAIL=torch")
	require.Zero(t, code, out)
	require.Contains(t, out, "python3 has no torch that sees a GPU")
}

func TestNoGPU(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	out, code := m.run("FAKE_FAIL=nvidia-smi")
	require.Equal(t, 2, code, out)
	require.Equal(t, "gpu-check: nothing was run: nvidia-smi finds no GPU 0: No devices were found\n", out)
	m.lacks("nvidia-smi")
	out, code = m.run()
	require.Equal(t, 2, code, out)
	require.Equal(t, "gpu-check: nothing was run: there is no nvidia-smi here, so no NVIDIA driver\n", out)
	require.NoDirExists(t, m.results)
}

// The emulated GPU needs no driver, and what needs CUDA is skipped.
func TestEmulated(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.lacks("nvidia-smi")
	out, code := m.run("LLAMA4_GPU_CHECK_DEVICE=simt")
	require.Zero(t, code, out)
	got := verdicts(t, out)
	for _, step := range steps {
		want := "skipped"
		if step == "kernels" || step == "model" || step == "bench" {
			want = "passed"
		}
		require.Equal(t, want, got[step], step)
	}
	require.Contains(t, out, "no time means anything")
	require.Contains(t, m.read(m.bundle, "calls"), "device=simt,simt")
	require.DirExists(t, filepath.Join(m.results, "results-simt"))
}
